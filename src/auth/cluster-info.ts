import { createHmac, timingSafeEqual } from 'node:crypto';
import type { BootstrapTokenId } from './bootstrap-tokens.ts';

/** The ConfigMap `kube-public/cluster-info`, which a joining node reads before it trusts anything. */
export const clusterInfoName = 'cluster-info';
export const clusterInfoNamespace = 'kube-public';
/** The data key with a kubeconfig: server and CA, no user. */
export const clusterInfoKubeconfigKey = 'kubeconfig';
const signaturePrefix = 'jws-kubeconfig-';

/** The data key of one token's signature. */
export function clusterInfoSignatureKey(tokenId: string): string {
  return `${signaturePrefix}${tokenId}`;
}

/** The reverse; `undefined` for another key. */
export function parseClusterInfoSignatureKey(key: string): string | undefined {
  return key.startsWith(signaturePrefix) ? key.slice(signaturePrefix.length) : undefined;
}

/**
 * Signs the kubeconfig of `cluster-info` with a token's secret: a detached compact JWS (RFC 7515, appendix F), HS256.
 * Verifiers compare the whole text, so that the order of the header's keys counts.
 * Source: k8s.io/cluster-bootstrap `token/jws`.
 */
export function signClusterInfo(kubeconfig: string, { id, secret }: BootstrapTokenId): string {
  const header = Buffer.from(`{"alg":"HS256","kid":"${id}"}`).toString('base64url');
  const payload = Buffer.from(kubeconfig).toString('base64url');
  const signature = createHmac('sha256', secret).update(`${header}.${payload}`).digest('base64url');
  return `${header}..${signature}`;
}

/** Whether who holds the token's secret signed exactly this kubeconfig. Of such there may be many: it takes the CA's pin to know the cluster. */
export function verifyClusterInfo(kubeconfig: string, signature: string, token: BootstrapTokenId): boolean {
  const expected = Buffer.from(signClusterInfo(kubeconfig, token));
  const given = Buffer.from(signature);
  return given.length === expected.length && timingSafeEqual(given, expected);
}
