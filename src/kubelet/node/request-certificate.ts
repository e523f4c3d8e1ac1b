import { createHash } from 'node:crypto';
import { ApiError } from '../../api/errors.ts';
import type { CertificateSigningRequest } from '../../api/kubernetes/certificates-v1.ts';
import type { ApiClient } from '../../client/client.ts';
import { certificateSigningRequests } from '../../client/resources.ts';
import { formatPublicKey, parsePrivateKey } from '../../pki/key.ts';

export interface CertificateWish {
  readonly signerName: 'kubernetes.io/kube-apiserver-client-kubelet' | 'kubernetes.io/kubelet-serving';
  readonly usages: readonly string[];
  readonly requestPem: string;
  /** Makes the object's name stable, so that a join that broke off goes on with the same request. */
  readonly stableFor?: { readonly privateKeyPem: string; readonly commonName: string };
  readonly signal: AbortSignal;
}

/**
 * Asks the API server for a certificate and waits until it is issued.
 * Source: client-go `util/certificate/csr`. @throws {Error} when it is denied, failed or deleted
 */
export async function requestCertificate(client: ApiClient, wish: CertificateWish): Promise<string> {
  const created = await createRequest(client, wish);
  const name = created.metadata?.name ?? '';
  const uid = created.metadata?.uid;
  for (let present = created; ; ) {
    const certificate = judge(present);
    if (certificate !== undefined) return certificate;
    const watched = await nextChange(client, present, wish.signal);
    present = watched ?? (await client.get(certificateSigningRequests, { name }, { signal: wish.signal }));
    if (present.metadata?.uid !== uid) throw new Error(`the certificate signing request ${name} was deleted`);
  }
}

async function createRequest(client: ApiClient, wish: CertificateWish): Promise<CertificateSigningRequest> {
  const request = Buffer.from(wish.requestPem).toString('base64');
  const name = wish.stableFor && stableName(wish);
  const object: CertificateSigningRequest = {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: name === undefined ? { generateName: 'csr-' } : { name },
    spec: { request, signerName: wish.signerName, usages: [...wish.usages] },
  };
  try {
    return await client.create(certificateSigningRequests, object, { signal: wish.signal });
  } catch (error) {
    if (name === undefined || !(error instanceof ApiError) || error.reason !== 'AlreadyExists') throw error;
    const existing = await client.get<CertificateSigningRequest>(certificateSigningRequests, { name }, wish);
    if (existing.spec.signerName !== wish.signerName) throw error;
    return existing; // the name holds the key's digest: a certificate for it is ours
  }
}

function judge({ metadata, status }: CertificateSigningRequest): string | undefined {
  for (const { type, reason, message } of status?.conditions ?? []) {
    if (type === 'Denied' || type === 'Failed') {
      throw new Error(
        `the certificate signing request ${metadata?.name} was ${type.toLowerCase()}: ${reason}: ${message}`,
      );
    }
  }
  return status?.certificate ? Buffer.from(status.certificate, 'base64').toString() : undefined;
}

async function nextChange(
  client: ApiClient,
  { metadata }: CertificateSigningRequest,
  signal: AbortSignal,
): Promise<CertificateSigningRequest | undefined> {
  const events = client.watch<CertificateSigningRequest>(certificateSigningRequests, {
    fieldSelector: `metadata.name=${metadata?.name}`,
    resourceVersion: metadata?.resourceVersion ?? '',
    timeoutSeconds: 300,
    signal,
  });
  for await (const event of events) {
    if (event.type === 'MODIFIED') return event.object;
    if (event.type === 'DELETED' || event.type === 'ERROR') return undefined;
  }
  return undefined;
}

/** `node-csr-<digest of key, subject and usages>`, as upstream names the request of a first join; in hex, a name everywhere. */
function stableName({ stableFor, usages }: CertificateWish): string {
  const { privateKeyPem = '', commonName = '' } = stableFor ?? {};
  const hash = createHash('sha512-256');
  hash.update(formatPublicKey(parsePrivateKey(privateKeyPem).publicKey));
  for (const part of [commonName, 'system:nodes', ...usages]) hash.update('|').update(part);
  return `node-csr-${hash.digest('hex')}`;
}
