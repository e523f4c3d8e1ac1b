import type { KeyObject } from 'node:crypto';
import { type KeyPair, publicKeyId } from './key.ts';

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
}

/** @throws {TypeError} for a kind of key that no token is signed with */
export function toVerificationKey(publicKey: KeyObject): VerificationKey {
  return { keyId: publicKeyId(publicKey), algorithm: algorithmOf(publicKey), publicKey };
}

export function toSigningKey({ privateKey, publicKey }: KeyPair): SigningKey {
  return { ...toVerificationKey(publicKey), privateKey };
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
