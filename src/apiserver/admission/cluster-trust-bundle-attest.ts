import type { JsonObject } from '../../api/object.ts';
import type { Authorizer } from '../../auth/authorizer.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';
import { deny } from './deny.ts';
import { maySign } from './signer-permission.ts';

/** Publishing trust anchors in the name of a signer needs the verb `attest` on it. */
export class ClusterTrustBundleAttest implements AdmissionPlugin {
  readonly name = 'ClusterTrustBundleAttest';
  readonly #authorizer: Authorizer;

  constructor({ authorizer }: { authorizer: Authorizer }) {
    this.#authorizer = authorizer;
  }

  validate(attributes: AdmissionAttributes): void | Promise<void> {
    const { resource, operation, object } = attributes;
    if (resource.group !== 'certificates.k8s.io' || resource.resource !== 'clustertrustbundles') return;
    if ((operation !== 'CREATE' && operation !== 'UPDATE') || object === undefined) return;
    const { signerName } = object['spec'] as JsonObject; // a required field, checked by the schema
    // Bundles without a signer are anybody's who may write them.
    if (typeof signerName === 'string' && signerName !== '') return this.#check(attributes, signerName);
  }

  async #check(attributes: AdmissionAttributes, signerName: string): Promise<void> {
    if (await maySign(this.#authorizer, { user: attributes.user, verb: 'attest', signerName })) return;
    throw deny(attributes, `user not permitted to attest for signerName ${JSON.stringify(signerName)}`);
  }
}
