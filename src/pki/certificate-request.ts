import { createPublicKey, type KeyObject } from 'node:crypto';
import { isIP } from 'node:net';
import { canonicalAddress } from './certificate.ts';
import { describeKey, formatPrivateKey, generateKeyPair, type KeyPair, parsePrivateKey } from './key.ts';
import { type AlternativeNames, createRequest, readRequest, type SubjectName } from './x509.ts';

/** A certificate signing request that cannot be used. The message may go to whoever sent it. */
export class CertificateRequestError extends Error {
  override readonly name = 'CertificateRequestError';
}

/** A PKCS#10 request whose signature is right: the sender holds the key. Everything else in it is a claim. */
export interface ParsedRequest {
  /** Every one of them: a subject may repeat an attribute. */
  readonly commonNames: readonly string[];
  /** The only common name; `''` where there is none or more than one. */
  readonly commonName: string;
  readonly organizations: readonly string[];
  /** Attribute types of the subject other than CN and O, for policies that allow no others. */
  readonly otherSubjectAttributes: readonly string[];
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly emailAddresses: readonly string[];
  readonly uris: readonly string[];
  /** Alternative names of other kinds (directory names, registered ids …). No signer copies them. */
  readonly otherNames: readonly string[];
  readonly publicKey: KeyObject;
  /** `ec` or `rsa`; others are refused. */
  readonly keyType: 'ec' | 'rsa';
  /** Of the curve or the modulus. */
  readonly keyBits: number;
  /** DER of the subject, to be copied into a certificate. */
  readonly subjectDer: Uint8Array;
}

/** A private key and a request signed with it. */
export interface NewRequest {
  readonly requestPem: string;
  readonly privateKeyPem: string;
}

/** Requests are a few hundred bytes; more is no request. */
const maxRequestBytes = 64 * 1024;
/** Kinds of alternative names, as the library calls them, that signers copy. */
const copiedNames: ReadonlySet<string> = new Set(['dns', 'ip', 'email', 'url']);

/** Writes a request for a new P-256 key, or for the key given. */
export async function createCertificateRequest(
  options: SubjectName & AlternativeNames & { readonly privateKeyPem?: string },
): Promise<NewRequest> {
  const keys: KeyPair =
    options.privateKeyPem === undefined ? generateKeyPair() : parsePrivateKey(options.privateKeyPem);
  const requestPem = await createRequest(options, options, keys);
  return { requestPem, privateKeyPem: formatPrivateKey(keys.privateKey) };
}

/**
 * Reads a request from a stranger and verifies its signature.
 * @param request PEM, as `spec.request` of a CertificateSigningRequest holds it once base64 is taken off
 * @throws {CertificateRequestError}
 */
export async function parseCertificateRequest(request: string | Uint8Array): Promise<ParsedRequest> {
  const text = typeof request === 'string' ? request : Buffer.from(request).toString('latin1');
  if (text.length > maxRequestBytes) throw new CertificateRequestError('the certificate request is too large');
  const blocks = text.match(
    /-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----[A-Za-z0-9+/=\s]+-----END (?:NEW )?CERTIFICATE REQUEST-----/g,
  );
  const [block] = blocks ?? [];
  if (blocks?.length !== 1 || !block) throw new CertificateRequestError('PEM block type must be CERTIFICATE REQUEST');
  const body = Buffer.from(block.replace(/-----[^-]+-----/g, ''), 'base64');
  try {
    return await inspect(body);
  } catch (error) {
    if (error instanceof CertificateRequestError) throw error;
    throw new CertificateRequestError('the certificate request cannot be parsed', { cause: error });
  }
}

async function inspect(der: Uint8Array): Promise<ParsedRequest> {
  const request = await readRequest(der);
  const publicKey = createPublicKey({ key: Buffer.from(request.publicKey.rawData), format: 'der', type: 'spki' });
  const key = inspectKey(publicKey);
  if (!(await request.verify())) throw new CertificateRequestError('the signature of the certificate request is wrong');
  const subject = [...request.subjectName.toJSON()];
  const attribute = (type: string) => subject.flatMap((set) => set[type] ?? []);
  // copied: the library's array would make arrays of its own class
  const extensions = [...request.extensions].filter(({ type }) => type === '2.5.29.17');
  if (extensions.length > 1)
    throw new CertificateRequestError('the certificate request has two lists of alternative names');
  const names = extensions.flatMap((extension) => readNames(extension));
  const ofKind = (kind: string) => names.filter(({ type }) => type === kind).map(({ value }) => value);
  const commonNames = attribute('CN');
  return {
    commonNames,
    commonName: commonNames.length === 1 ? (commonNames[0] ?? '') : '',
    organizations: attribute('O'),
    otherSubjectAttributes: [...new Set(subject.flatMap(Object.keys))].filter((type) => type !== 'CN' && type !== 'O'),
    dnsNames: ofKind('dns'),
    ipAddresses: ofKind('ip').map(canonicalAddress),
    emailAddresses: ofKind('email'),
    uris: ofKind('url'),
    otherNames: names.filter(({ type }) => !copiedNames.has(type)).map(({ type }) => type),
    publicKey,
    ...key,
    subjectDer: new Uint8Array(request.subjectName.toArrayBuffer()),
  };
}

interface NameList {
  readonly names?: { toJSON(): { type: string; value: string }[] };
}

function readNames(extension: object): { type: string; value: string }[] {
  const { names } = extension as NameList; // the library's class for 2.5.29.17 has it
  if (!names) throw new CertificateRequestError('the alternative names of the certificate request cannot be parsed');
  const list = names.toJSON();
  const bad = list.find(({ type, value }) => !isWellFormed(type, value));
  if (bad)
    throw new CertificateRequestError(
      `an alternative name of kind ${bad.type} in the certificate request is malformed`,
    );
  return list;
}

/** What is copied into a certificate must be what policy has read. */
function isWellFormed(type: string, value: string): boolean {
  if (type === 'ip') return isIP(value) !== 0;
  return copiedNames.has(type) ? /^[\x20-\x7e]+$/.test(value) : true;
}

function inspectKey(key: KeyObject): { keyType: 'ec' | 'rsa'; keyBits: number } {
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'rsa') {
    if (modulusLength < 2048 || modulusLength > 16384)
      throw new CertificateRequestError(`RSA keys of ${modulusLength} bits are not accepted`);
    return { keyType: 'rsa', keyBits: modulusLength };
  }
  const keyBits = { prime256v1: 256, secp384r1: 384, secp521r1: 521 }[namedCurve ?? ''];
  if (key.asymmetricKeyType !== 'ec' || !keyBits)
    throw new CertificateRequestError(`${describeKey(key)} keys are not accepted`);
  return { keyType: 'ec', keyBits };
}
