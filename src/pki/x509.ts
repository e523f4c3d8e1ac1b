import { hash, type KeyObject, randomBytes, type webcrypto } from 'node:crypto';
import type { Extension, JsonGeneralName, Pkcs10CertificateRequest } from '@peculiar/x509';
import { encodePublicKey, type KeyPair } from './key.ts';

/**
 * The only file that knows the X.509 library. Loading it takes 80 ms and more, so that happens on the first call that writes a
 * certificate or reads a request; certificates are read with `node:crypto` (`certificate.ts`).
 */
let library: Promise<typeof import('@peculiar/x509')> | undefined;

/** Loads the library ahead of its first use. */
export function loadX509(): Promise<typeof import('@peculiar/x509')> {
  // reflect-metadata has to be there before the library is evaluated
  library ??= import('reflect-metadata').then(() => import('@peculiar/x509'));
  return library;
}

/** Who a certificate is about. Groups become O, the user name CN, in upstream's order. */
export interface SubjectName {
  readonly commonName: string;
  readonly organizations?: readonly string[];
}

export interface AlternativeNames {
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  readonly emailAddresses?: readonly string[];
  readonly uris?: readonly string[];
}

/** Names of key usages as `certificates.k8s.io` spells them, with their bit in the KeyUsage extension. */
export const keyUsageBits = {
  'digital signature': 1,
  signing: 1,
  'content commitment': 2,
  'key encipherment': 4,
  'data encipherment': 8,
  'key agreement': 16,
  'cert sign': 32,
  'crl sign': 64,
  'encipher only': 128,
  'decipher only': 256,
} as const;

/** The extended ones, with their OID. */
export const extendedKeyUsageOids = {
  any: '2.5.29.37.0',
  'server auth': '1.3.6.1.5.5.7.3.1',
  'client auth': '1.3.6.1.5.5.7.3.2',
  'code signing': '1.3.6.1.5.5.7.3.3',
  'email protection': '1.3.6.1.5.5.7.3.4',
  's/mime': '1.3.6.1.5.5.7.3.4',
  'ipsec end system': '1.3.6.1.5.5.7.3.5',
  'ipsec tunnel': '1.3.6.1.5.5.7.3.6',
  'ipsec user': '1.3.6.1.5.5.7.3.7',
  timestamping: '1.3.6.1.5.5.7.3.8',
  'ocsp signing': '1.3.6.1.5.5.7.3.9',
  'microsoft sgc': '1.3.6.1.4.1.311.10.3.3',
  'netscape sgc': '2.16.840.1.113730.4.1',
} as const;

export type CertificateUsage = keyof typeof keyUsageBits | keyof typeof extendedKeyUsageOids;

export interface CertificateTemplate extends AlternativeNames {
  /** Raw DER of a Name where it is copied from a request, so that not one byte of it changes. */
  readonly subject: SubjectName | Uint8Array;
  readonly publicKey: KeyObject;
  /** Ignored for an authority, which signs certificates. */
  readonly usages: readonly CertificateUsage[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly isAuthority?: boolean;
  /** Who signs. Without a name: the subject itself (a root). */
  readonly issuer: { readonly name?: Uint8Array; readonly keyId?: string; readonly keys: KeyPair };
}

/** Writes and signs a certificate. Gives its PEM. */
export async function createCertificate(template: CertificateTemplate): Promise<string> {
  const x509 = await loadX509();
  const { subject, publicKey, issuer, isAuthority = false } = template;
  const subjectName = subject instanceof Uint8Array ? new x509.Name(subject) : new x509.Name(formatSubject(subject));
  const spki = encodePublicKey(publicKey);
  const extensions: Extension[] = [new x509.BasicConstraintsExtension(isAuthority, undefined, true)];
  if (issuer.keyId !== undefined) extensions.push(new x509.AuthorityKeyIdentifierExtension(issuer.keyId));
  const bits = isAuthority
    ? keyUsageBits['digital signature'] | keyUsageBits['key encipherment'] | keyUsageBits['cert sign']
    : template.usages.reduce((sum, usage) => sum | (usage in keyUsageBits ? keyUsageBits[usage as KeyUsage] : 0), 0);
  if (bits !== 0) extensions.push(new x509.KeyUsagesExtension(bits, true));
  const oids = template.usages.flatMap((usage) =>
    usage in extendedKeyUsageOids ? [extendedKeyUsageOids[usage as ExtendedKeyUsage]] : [],
  );
  if (!isAuthority && oids.length > 0) extensions.push(new x509.ExtendedKeyUsageExtension([...new Set(oids)]));
  if (isAuthority) extensions.push(new x509.SubjectKeyIdentifierExtension(hash('sha256', spki).slice(0, 40)));
  const names = formatAlternativeNames(template);
  if (names.length > 0) extensions.push(new x509.SubjectAlternativeNameExtension(names));
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject: subjectName,
    issuer: issuer.name ? new x509.Name(issuer.name) : subjectName,
    notBefore: new Date(template.notBeforeMs),
    notAfter: new Date(template.notAfterMs),
    publicKey: spki,
    ...signingKey(issuer.keys),
    extensions,
  });
  return `${certificate.toString('pem')}\n`;
}

/** Writes a PKCS#10 request, signed with its own key. Gives its PEM. */
export async function createRequest(subject: SubjectName, names: AlternativeNames, keys: KeyPair): Promise<string> {
  const x509 = await loadX509();
  const { signingKey: privateKey, signingAlgorithm } = signingKey(keys);
  const alternatives = formatAlternativeNames(names);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: formatSubject(subject),
    keys: { privateKey, publicKey: keys.publicKey.toCryptoKey(signingAlgorithm, true, ['verify']) },
    signingAlgorithm,
    extensions: alternatives.length > 0 ? [new x509.SubjectAlternativeNameExtension(alternatives)] : [],
  });
  return `${request.toString('pem')}\n`;
}

/** Reads a PKCS#10 request, from PEM or DER. @throws where it is none */
export async function readRequest(request: string | Uint8Array): Promise<Pkcs10CertificateRequest> {
  const x509 = await loadX509();
  return new x509.Pkcs10CertificateRequest(request);
}

/** What certificates say of their issuer: DER of its Name, and its key's identifier (hex) where its certificate has one. */
export interface IssuerName {
  readonly name: Uint8Array;
  readonly keyId?: string;
}

/** Reads it from the issuer's certificate. The identifier is taken as it is: how one is made differs from maker to maker. */
export async function readIssuerName(certificate: Uint8Array): Promise<IssuerName> {
  const x509 = await loadX509();
  const parsed = new x509.X509Certificate(certificate);
  const identifier = parsed.getExtension(x509.SubjectKeyIdentifierExtension);
  const name = new Uint8Array(parsed.subjectName.toArrayBuffer());
  return identifier ? { name, keyId: identifier.keyId } : { name };
}

type KeyUsage = keyof typeof keyUsageBits;
type ExtendedKeyUsage = keyof typeof extendedKeyUsageOids;

function formatSubject({ commonName, organizations = [] }: SubjectName): Record<string, string[]>[] {
  return [...(organizations.length > 0 ? [{ O: [...organizations] }] : []), { CN: [commonName] }];
}

function formatAlternativeNames(names: AlternativeNames): JsonGeneralName[] {
  const { dnsNames = [], ipAddresses = [], emailAddresses = [], uris = [] } = names;
  return [
    ...dnsNames.map((value) => ({ type: 'dns' as const, value })),
    ...ipAddresses.map((value) => ({ type: 'ip' as const, value })),
    ...emailAddresses.map((value) => ({ type: 'email' as const, value })),
    ...uris.map((value) => ({ type: 'url' as const, value })),
  ];
}

/** 128 random bits, positive and without a leading zero byte. */
function randomSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString('hex');
}

type SigningAlgorithm = webcrypto.EcKeyImportParams & webcrypto.RsaHashedImportParams & { hash: string };

/** The key in the form the library takes, with the algorithm that fits it: an operator's own CA may be RSA. */
function signingKey({ privateKey }: KeyPair): { signingKey: webcrypto.CryptoKey; signingAlgorithm: SigningAlgorithm } {
  const signingAlgorithm = (
    privateKey.asymmetricKeyType === 'rsa'
      ? { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
      : ecdsa(privateKey.asymmetricKeyDetails?.namedCurve)
  ) as SigningAlgorithm; // one literal of the two that the union has
  return { signingKey: privateKey.toCryptoKey(signingAlgorithm, true, ['sign']), signingAlgorithm };
}

function ecdsa(curve: string | undefined): { name: string; namedCurve: string; hash: string } {
  if (curve === 'secp384r1') return { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' };
  if (curve === 'secp521r1') return { name: 'ECDSA', namedCurve: 'P-521', hash: 'SHA-512' };
  return { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
}
