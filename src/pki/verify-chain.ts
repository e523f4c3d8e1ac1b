import type { X509Certificate } from 'node:crypto';
import { extendedKeyUsageOids } from './x509.ts';

export type ChainVerdict =
  /** `notAfterMs`: when the first certificate of the chain expires. */
  { readonly valid: true; readonly notAfterMs: number } | { readonly valid: false; readonly reason: string };

export interface ChainOptions {
  /** Roots that are trusted for this purpose; nothing else is. */
  readonly authorities: readonly X509Certificate[];
  readonly usage: 'client' | 'server';
  readonly nowMs: number;
}

/** How many intermediates a peer may send, and how many signatures one verification may cost. */
const maxIntermediates = 8;
const maxSignatures = 32;

/**
 * Verifies a peer's certificate against one pool of CAs: signatures up to a trusted root, each issuer a CA that may sign certificates,
 * all valid now, and no certificate that forbids the usage. TLS only asks for client certificates; this is where they are judged,
 * per request, against the pool of the authenticator that asks.
 *
 * As in Go's x509, a certificate without extended key usages may be used for anything, and MD5 and SHA-1 prove nothing. Path length and
 * name constraints are not looked at: who limits an intermediate CA in this way should not trust its root here.
 * @param chain the leaf first, then what else the peer sent, in any order
 */
export function verifyChain(chain: readonly X509Certificate[], options: ChainOptions): ChainVerdict {
  const [leaf, ...intermediates] = chain;
  if (!leaf) return { valid: false, reason: 'no certificate was sent' };
  if (intermediates.length > maxIntermediates) return { valid: false, reason: 'too many intermediate certificates' };
  const complaint = judge(leaf, options);
  if (complaint) return { valid: false, reason: complaint };
  const search: Search = {
    ...options,
    intermediates,
    signatures: 0,
    reason: 'certificate signed by unknown authority',
  };
  const notAfterMs = findRoot(leaf, [leaf], search);
  return notAfterMs === undefined ? { valid: false, reason: search.reason } : { valid: true, notAfterMs };
}

interface Search extends ChainOptions {
  readonly intermediates: readonly X509Certificate[];
  signatures: number;
  /** The most telling complaint so far. */
  reason: string;
}

/** Depth first: the trusted roots, then the peer's intermediates. Gives the earliest expiry on the way. */
function findRoot(certificate: X509Certificate, path: readonly X509Certificate[], search: Search): number | undefined {
  for (const [candidates, trusted] of [
    [search.authorities, true],
    [search.intermediates, false],
  ] as const) {
    for (const issuer of candidates) {
      if (!trusted && path.some((seen) => seen.raw.equals(issuer.raw))) continue;
      if (!signedBy(certificate, issuer, search)) continue;
      const complaint = issuer.ca ? judge(issuer, search) : 'an issuer in the chain is no certificate authority';
      if (complaint) {
        search.reason = complaint;
        continue;
      }
      const rest = trusted ? issuer.validToDate.getTime() : findRoot(issuer, [...path, issuer], search);
      if (rest !== undefined) return Math.min(certificate.validToDate.getTime(), rest);
    }
  }
  return undefined;
}

/** Names and key identifiers are compared first: they are cheap, signatures are not. */
function signedBy(certificate: X509Certificate, issuer: X509Certificate, search: Search): boolean {
  if (certificate.issuer !== issuer.subject || !certificate.checkIssued(issuer)) return false;
  if (/md[245]|sha1/i.test(certificate.signatureAlgorithm ?? '')) {
    search.reason = `certificate is signed with ${certificate.signatureAlgorithm}, which can be forged`;
    return false;
  }
  search.signatures += 1;
  if (search.signatures > maxSignatures) return false;
  try {
    return certificate.verify(issuer.publicKey);
  } catch {
    return false; // a key type that cannot have made this signature
  }
}

/** What is wrong with one certificate by itself. */
function judge(certificate: X509Certificate, { usage, nowMs }: ChainOptions): string | undefined {
  const notBefore = certificate.validFromDate;
  const notAfter = certificate.validToDate;
  if (nowMs < notBefore.getTime()) return `certificate is not valid before ${notBefore.toISOString()}`;
  if (nowMs > notAfter.getTime()) return `certificate has expired at ${notAfter.toISOString()}`;
  // node:crypto calls the extended key usages `keyUsage`; undefined where there are none
  const usages: readonly string[] | undefined = certificate.keyUsage;
  const wanted = extendedKeyUsageOids[usage === 'client' ? 'client auth' : 'server auth'];
  if (!usages || usages.includes(wanted) || usages.includes(extendedKeyUsageOids.any)) return undefined;
  return `certificate may not be used as a ${usage} certificate`;
}
