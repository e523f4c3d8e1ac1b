import type { CertificateSigningRequest } from '../../api/kubernetes/certificates-v1.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';
import { readRequest } from './certificate-request-reader.ts';
import { deny } from './deny.ts';
import { newObject, resourceKey } from './typed-object.ts';

/** Nobody becomes `system:masters` by a certificate that the cluster issues. */
export const certificateSubjectRestriction: AdmissionPlugin = {
  name: 'CertificateSubjectRestriction',
  validate(attributes: AdmissionAttributes): void | Promise<void> {
    if (resourceKey(attributes) !== 'certificatesigningrequests.certificates.k8s.io') return;
    if (attributes.operation !== 'CREATE' || attributes.subresource !== '') return;
    const { spec } = newObject<CertificateSigningRequest>(attributes);
    if (spec.signerName !== 'kubernetes.io/kube-apiserver-client') return;
    return checkOrganizations(attributes, spec.signerName);
  },
};

async function checkOrganizations(attributes: AdmissionAttributes, signerName: string): Promise<void> {
  const { organizations } = await readRequest(attributes, 'failed to parse CSR');
  if (!organizations.includes('system:masters')) return;
  throw deny(attributes, `use of ${signerName} signer with system:masters group is not allowed`);
}
