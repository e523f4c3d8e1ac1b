import { createPublicKey, type KeyObject } from 'node:crypto';
import { ConfigError } from '../lib/config-error.ts';
import { formatPrivateKey, type KeyPair, parsePrivateKey, publicKeyId } from './key.ts';

/** Signature algorithms of tokens. There is no symmetric one and no `none`. */
export type JwtAlgorithm = 'ES256' | 'ES384' | 'ES512' | 'RS256';

/** A public key that tokens may be signed with. The algorithm follows from the key, never from the token. */
export interface VerificationKey {
  /** base64url of the SHA-256 of its SubjectPublicKeyInfo, as upstream names keys. */
  readonly keyId: string;
  readonly algorithm: JwtAlgorithm;
  readonly publicKey: KeyObject;
}

/** The key that signs service account tokens. */
export interface SigningKey extends VerificationKey {
  readonly privateKey: KeyObject;
  /** PKCS#8. */
  readonly privateKeyPem: string;
}

/** @throws {TypeError} for a kind of key that no token is signed with */
export function toVerificationKey(publicKey: KeyObject): VerificationKey {
  return { keyId: publicKeyId(publicKey), algorithm: algorithmOf(publicKey), publicKey };
}

export function toSigningKey({ privateKey, publicKey }: KeyPair): SigningKey {
  return { ...toVerificationKey(publicKey), privateKey, privateKeyPem: formatPrivateKey(privateKey) };
}

/** Reads `--service-account-signing-key-file`. @throws {ConfigError} */
export function parseSigningKey(pem: string): SigningKey {
  return read('private key', () => toSigningKey(parsePrivateKey(pem)));
}

/** Reads a public key, or takes that of a private key or certificate: `--service-account-key-file`. @throws {ConfigError} */
export function parseVerificationKey(pem: string): VerificationKey {
  return read('key', () => toVerificationKey(createPublicKey(pem)));
}

/** OpenSSL's own errors are left out: they may quote what they were given. */
function read<T>(what: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof TypeError && !('code' in error)) throw new ConfigError(error.message, { cause: error });
    throw new ConfigError(`The service account key file holds no ${what} that can be read`);
  }
}

function algorithmOf(key: KeyObject): JwtAlgorithm {
  if (key.asymmetricKeyType === 'rsa') return 'RS256';
  switch (key.asymmetricKeyDetails?.namedCurve) {
    case 'prime256v1':
      return 'ES256';
    case 'secp384r1':
      return 'ES384';
    case 'secp521r1':
      return 'ES512';
    default:
      throw new TypeError('A token signing key must be RSA or an elliptic curve key on P-256, P-384 or P-521');
  }
}
