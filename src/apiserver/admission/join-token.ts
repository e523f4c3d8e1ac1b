import { ApiError, forbidden } from '../../api/errors.ts';
import type { CertificateSigningRequest } from '../../api/kubernetes/certificates-v1.ts';
import type { Secret } from '../../api/kubernetes/core-v1.ts';
import {
  bootstrapTokenKeys,
  bootstrapTokenNamespace,
  bootstrapTokenSecretName,
  parseBootstrapTokenSecret,
} from '../../auth/bootstrap-tokens.ts';
import { publicKeyPin } from '../../pki/key.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';
import { readRequest } from './certificate-request-reader.ts';
import { deny } from './deny.ts';
import type { LiveObjects } from './live-objects.ts';
import { newObject, resourceKey } from './typed-object.ts';

const userPrefix = 'system:bootstrap:';
const nodePrefix = 'system:node:';
const kubeletClientSigner = 'kubernetes.io/kube-apiserver-client-kubelet';
/** Writers that may get in between before the request is given up; each of them is another node's or an operator's. */
const maxTries = 5;

/**
 * Makes a one-time join token serve one node: the first certificate request made with it binds the token to the node's name and key,
 * in the token's Secret and by compare-and-swap. That node may repeat the request; every other is refused. Ordinary bootstrap tokens are not touched.
 */
export class JoinToken implements AdmissionPlugin {
  readonly name = 'JoinToken';
  readonly #live: LiveObjects;

  constructor({ live }: { live: LiveObjects }) {
    this.#live = live;
  }

  /** The last word on a request, because it writes. */
  validate(attributes: AdmissionAttributes): void | Promise<void> {
    if (!attributes.user.username.startsWith(userPrefix)) return;
    if (resourceKey(attributes) !== 'certificatesigningrequests.certificates.k8s.io') return;
    if (attributes.operation !== 'CREATE' || attributes.subresource !== '') return;
    return this.#bind(attributes);
  }

  async #bind(attributes: AdmissionAttributes): Promise<void> {
    const name = bootstrapTokenSecretName(attributes.user.username.slice(userPrefix.length));
    for (let attempt = 1; attempt <= maxTries; attempt++) {
      // Never from a cache: two nodes may come at once.
      const secret = await this.#live.get<Secret>('secrets', { namespace: bootstrapTokenNamespace, name });
      const token = secret && parseBootstrapTokenSecret(secret);
      if (secret === undefined || token === undefined) {
        throw deny(attributes, `the bootstrap token ${attributes.user.username} no longer exists`);
      }
      if (!token.oneTime) return;
      const { node, key } = await requester(attributes);
      if (token.boundNode !== undefined || token.boundKey !== undefined) {
        if (token.boundNode === node && token.boundKey === key) return;
        throw alreadyUsed(attributes, { node, boundNode: token.boundNode ?? '' });
      }
      if (attributes.dryRun || (await this.#write(secret, { node, key }))) return;
    }
    throw new ApiError(
      'Conflict',
      `The join token changed ${maxTries} times while it was being used; please try again`,
    );
  }

  /** False where somebody else has written the Secret since it was read. */
  async #write(secret: Secret, { node, key }: { node: string; key: string }): Promise<boolean> {
    const bound = {
      [bootstrapTokenKeys.boundNode]: Buffer.from(node).toString('base64'),
      [bootstrapTokenKeys.boundKey]: Buffer.from(key).toString('base64'),
    };
    try {
      await this.#live.update<Secret>('secrets', { ...secret, data: { ...secret.data, ...bound } });
      return true;
    } catch (error) {
      if (error instanceof ApiError && (error.reason === 'Conflict' || error.reason === 'NotFound')) return false;
      throw error;
    }
  }
}

/** The node's name and its key's pin. @throws {ApiError} for anything but a kubelet's client certificate */
async function requester(attributes: AdmissionAttributes): Promise<{ node: string; key: string }> {
  const { signerName } = newObject<CertificateSigningRequest>(attributes).spec;
  if (signerName !== kubeletClientSigner) {
    throw deny(
      attributes,
      `a join string can only request certificates from ${kubeletClientSigner}, not ${signerName}`,
    );
  }
  const { commonName, publicKey } = await readRequest(attributes, 'unable to parse csr');
  const node = commonName.startsWith(nodePrefix) ? commonName.slice(nodePrefix.length) : '';
  if (node === '') throw deny(attributes, `a join string can only request a node CSR with CN=${nodePrefix}<node name>`);
  return { node, key: publicKeyPin(publicKey) };
}

function alreadyUsed(
  attributes: AdmissionAttributes,
  { node, boundNode }: { node: string; boundNode: string },
): ApiError {
  const which = boundNode === node ? `node "${boundNode}" with another key` : `node "${boundNode}"`;
  const why = `this join string was already used by ${which}; create a new one with "fairlead token create"`;
  return forbidden(attributes.resource, attributes.name, why);
}
