import { type ParsedRequest, parseCertificateRequest } from './certificate-request.ts';
import type { KeyPair } from './key.ts';
import {
  type CertificateUsage,
  createCertificate,
  extendedKeyUsageOids,
  type IssuerName,
  keyUsageBits,
} from './x509.ts';

export interface SigningOptions {
  /** As `spec.usages` of a CertificateSigningRequest names them. */
  readonly usages: readonly string[];
  /** What was asked for, in seconds. @default `maxLifetimeMs` */
  readonly expirationSeconds?: number;
  /** The signer's own limit (`--cluster-signing-duration`). @default one year */
  readonly maxLifetimeMs?: number;
  /** @default the authority's clock */
  readonly nowMs?: number;
}

export interface SigningAuthority extends IssuerName {
  readonly keys: KeyPair;
  readonly notAfterMs: number;
}

const minute = 60_000;
const hour = 60 * minute;
const year = 365 * 24 * hour;
const backdateMs = 5 * minute;

/**
 * Makes the certificate that upstream's signers would: subject and DNS, IP, e-mail and URI names are copied, every other extension that
 * was asked for is dropped, basicConstraints says no CA, usages are those given.
 * Source: k8s.io/kubernetes `pkg/controller/certificates/authority`, `…/signer`.
 * @throws {CertificateRequestError}
 */
export async function signRequest(
  request: string | Uint8Array | ParsedRequest,
  authority: SigningAuthority,
  options: SigningOptions & { readonly nowMs: number },
): Promise<string> {
  const parsed =
    typeof request === 'string' || request instanceof Uint8Array ? await parseCertificateRequest(request) : request;
  return createCertificate({
    subject: parsed.subjectDer,
    dnsNames: parsed.dnsNames,
    ipAddresses: parsed.ipAddresses,
    emailAddresses: parsed.emailAddresses,
    uris: parsed.uris,
    publicKey: parsed.publicKey,
    usages: options.usages.map(parseCertificateUsage),
    ...validity(authority, options),
    issuer: authority,
  });
}

/** @throws {RangeError} for a usage that no extension has */
export function parseCertificateUsage(usage: string): CertificateUsage {
  if (isCertificateUsage(usage)) return usage;
  throw new RangeError(`Unknown key usage ${JSON.stringify(usage)}`);
}

export function isCertificateUsage(usage: string): usage is CertificateUsage {
  return Object.hasOwn(keyUsageBits, usage) || Object.hasOwn(extendedKeyUsageOids, usage);
}

/**
 * From five minutes ago; a short lifetime is not cut by these five minutes, a long one is. At least ten minutes, never beyond the authority.
 */
export function validity(
  authority: Pick<SigningAuthority, 'notAfterMs'>,
  { expirationSeconds, maxLifetimeMs = year, nowMs }: Omit<SigningOptions, 'usages'> & { readonly nowMs: number },
): { notBeforeMs: number; notAfterMs: number } {
  const askedMs = expirationSeconds === undefined ? maxLifetimeMs : Math.max(expirationSeconds * 1000, 10 * minute);
  const lifetimeMs = Math.min(askedMs, maxLifetimeMs);
  const notAfterMs = lifetimeMs < 8 * hour ? nowMs + lifetimeMs : nowMs + lifetimeMs - backdateMs;
  return { notBeforeMs: nowMs - backdateMs, notAfterMs: Math.min(notAfterMs, authority.notAfterMs) };
}
