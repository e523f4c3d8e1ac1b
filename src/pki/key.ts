import { createPrivateKey, createPublicKey, generateKeyPairSync, hash, type KeyObject } from 'node:crypto';

export interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** A new P-256 pair, the kind of every key this project makes. */
export function generateKeyPair(): KeyPair {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

/** Reads an unencrypted private key (PKCS#8, SEC 1 or PKCS#1). @throws an error without any part of `pem` */
export function parsePrivateKey(pem: string): KeyPair {
  const privateKey = createPrivateKey(pem);
  return { privateKey, publicKey: createPublicKey(privateKey) };
}

/** PKCS#8. */
export function formatPrivateKey(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }) as string; // a string for format pem
}

export function formatPublicKey(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'pem' }) as string; // a string for format pem
}

/** DER of the SubjectPublicKeyInfo. */
export function encodePublicKey(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

/** Names a public key by its content, as kubeadm's `--discovery-token-ca-cert-hash` does: `sha256:<hex of the SPKI's SHA-256>`. */
export function publicKeyPin(key: KeyObject): string {
  return `sha256:${hash('sha256', encodePublicKey(key), 'hex')}`;
}

/** The `kid` that upstream gives a key: base64url of the SPKI's SHA-256. */
export function publicKeyId(key: KeyObject): string {
  return hash('sha256', encodePublicKey(key), 'base64url');
}

/** `EC P-256`, `RSA 2048`: for messages. */
export function describeKey(key: KeyObject): string {
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {};
  const curve = namedCurve === 'prime256v1' ? 'P-256' : namedCurve === 'secp384r1' ? 'P-384' : namedCurve;
  return [key.asymmetricKeyType?.toUpperCase() ?? 'unknown', curve ?? modulusLength].filter(Boolean).join(' ');
}
