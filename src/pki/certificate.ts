import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { publicKeyPin } from './key.ts';

/** A certificate as policy looks at it. Read with `node:crypto` only. */
export interface Certificate {
  readonly x509: X509Certificate;
  readonly commonName: string;
  readonly organizations: readonly string[];
  /** Subject attribute 1.3.6.1.4.1.57683.2, Kubernetes' user id. */
  readonly uids: readonly string[];
  readonly dnsNames: readonly string[];
  /** In canonical form: `::1`, not `0:0:0:0:0:0:0:1`. */
  readonly ipAddresses: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Lower-case hex of the DER's SHA-256. */
  readonly fingerprint: string;
  /** Lower-case hex. */
  readonly serialNumber: string;
  readonly isAuthority: boolean;
}

/**
 * Reads the first certificate of a PEM, or one already read.
 * @throws where it is none, or where its subject has more than one common name
 */
export function parseCertificate(input: string | Uint8Array | X509Certificate): Certificate {
  const x509 = input instanceof X509Certificate ? input : new X509Certificate(input);
  const subject = readSubject(x509);
  const [commonName = '', ...others] = subject('CN');
  if (others.length > 0) throw new Error('The certificate has more than one common name');
  const names = parseAlternativeNames(x509.subjectAltName ?? '');
  return {
    x509,
    commonName,
    organizations: subject('O'),
    uids: subject('1.3.6.1.4.1.57683.2'),
    dnsNames: names.filter(({ kind }) => kind === 'DNS').map(({ value }) => value),
    ipAddresses: names.filter(({ kind }) => kind === 'IP Address').map(({ value }) => canonicalAddress(value)),
    notBeforeMs: x509.validFromDate.getTime(),
    notAfterMs: x509.validToDate.getTime(),
    fingerprint: x509.fingerprint256.replaceAll(':', '').toLowerCase(),
    serialNumber: x509.serialNumber.toLowerCase(),
    isAuthority: x509.ca,
  };
}

/** All certificates of a PEM bundle, in order. Text between the blocks is passed over. @throws where one cannot be read */
export function parseCertificates(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}

/** `sha256:<hex>` of the public key: what a join pins of a CA. It outlives a renewal of the certificate with the same key. */
export function certificatePin(pem: string): string {
  return publicKeyPin(new X509Certificate(pem).publicKey);
}

/**
 * When to renew: at 70 to 90 % of the lifetime, so that certificates made together are not renewed together.
 * @param random gives [0, 1)
 */
export function rotationDeadlineMs(
  { notBeforeMs, notAfterMs }: Pick<Certificate, 'notBeforeMs' | 'notAfterMs'>,
  random: () => number = Math.random,
): number {
  return Math.round(notBeforeMs + (notAfterMs - notBeforeMs) * (0.7 + 0.2 * random()));
}

/** `::1` for every spelling of it. What is no address is returned as it is. */
export function canonicalAddress(address: string): string {
  return isIP(address) === 6 ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;
}

/**
 * Subject attributes by short name or OID, unescaped. The printed `subject` is not used: a value may hold its separators.
 */
function readSubject(x509: X509Certificate): (key: string) => string[] {
  // Attributes are keyed by short name or dotted OID; a repeated one is an array. The types do not know this.
  const subject = (x509.toLegacyObject().subject ?? {}) as unknown as Record<string, string | string[] | undefined>;
  return (key) => [subject[key] ?? []].flat();
}

interface AlternativeName {
  readonly kind: string;
  readonly value: string;
}

/** `DNS:a, IP Address:1.2.3.4, URI:"a\u002c b"`: a value with a separator in it is a JSON string. */
function parseAlternativeNames(text: string): AlternativeName[] {
  const names: AlternativeName[] = [];
  for (const [, kind = '', quoted, plain = ''] of text.matchAll(/([^:,]+):(?:("(?:[^"\\]|\\.)*")|([^,]*))(?:, |$)/g)) {
    names.push({ kind, value: quoted === undefined ? plain : String(JSON.parse(quoted)) });
  }
  return names;
}
