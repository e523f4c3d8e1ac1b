import type { CertificateSigningRequest } from '../../api/kubernetes/certificates-v1.ts';
import type { Authorizer } from '../../auth/authorizer.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';
import { deny } from './deny.ts';
import { maySign } from './signer-permission.ts';
import { resourceKey, storedObject } from './typed-object.ts';

/** Approving or denying a certificate request needs the verb `approve` on its signer. */
export class CertificateApproval implements AdmissionPlugin {
  readonly name = 'CertificateApproval';
  readonly #authorizer: Authorizer;

  constructor({ authorizer }: { authorizer: Authorizer }) {
    this.#authorizer = authorizer;
  }

  validate(attributes: AdmissionAttributes): void | Promise<void> {
    if (resourceKey(attributes) !== 'certificatesigningrequests.certificates.k8s.io') return;
    if (attributes.operation !== 'UPDATE' || attributes.subresource !== 'approval') return;
    return this.#check(attributes);
  }

  async #check(attributes: AdmissionAttributes): Promise<void> {
    const { signerName } = storedObject<CertificateSigningRequest>(attributes).spec;
    if (await maySign(this.#authorizer, { user: attributes.user, verb: 'approve', signerName })) return;
    throw deny(attributes, `user not permitted to approve requests with signerName ${JSON.stringify(signerName)}`);
  }
}
