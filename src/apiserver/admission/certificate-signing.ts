import { isDeepStrictEqual } from 'node:util';
import type { CertificateSigningRequest } from '../../api/kubernetes/certificates-v1.ts';
import type { Authorizer } from '../../auth/authorizer.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';
import { deny } from './deny.ts';
import { maySign } from './signer-permission.ts';
import { newObject, resourceKey, storedObject } from './typed-object.ts';

/** Setting a certificate, or failing a request, needs the verb `sign` on its signer. */
export class CertificateSigning implements AdmissionPlugin {
  readonly name = 'CertificateSigning';
  readonly #authorizer: Authorizer;

  constructor({ authorizer }: { authorizer: Authorizer }) {
    this.#authorizer = authorizer;
  }

  validate(attributes: AdmissionAttributes): void | Promise<void> {
    if (resourceKey(attributes) !== 'certificatesigningrequests.certificates.k8s.io') return;
    if (attributes.operation !== 'UPDATE' || attributes.subresource !== 'status') return;
    return this.#check(attributes);
  }

  async #check(attributes: AdmissionAttributes): Promise<void> {
    const stored = storedObject<CertificateSigningRequest>(attributes);
    if (sameOutcome(newObject<CertificateSigningRequest>(attributes), stored)) return;
    const { signerName } = stored.spec;
    if (await maySign(this.#authorizer, { user: attributes.user, verb: 'sign', signerName })) return;
    throw deny(attributes, `user not permitted to sign requests with signerName ${JSON.stringify(signerName)}`);
  }
}

function sameOutcome({ status: a }: CertificateSigningRequest, { status: b }: CertificateSigningRequest): boolean {
  return (
    (a?.certificate ?? '') === (b?.certificate ?? '') && isDeepStrictEqual(a?.conditions ?? [], b?.conditions ?? [])
  );
}
