import type { JwtAlgorithm, SigningKey, VerificationKey } from './signing-key.ts';

/** The only file that knows the JOSE library; it is loaded with the first token. */
let library: Promise<typeof import('jose')> | undefined;

function loadJose(): Promise<typeof import('jose')> {
  library ??= import('jose');
  return library;
}

/** A token that is not to be believed. The message says why and holds no part of the token. */
export class JwtError extends Error {
  override readonly name = 'JwtError';
}

export type JwtClaims = Readonly<Record<string, unknown>>;

/** A compact JWS with header `{"alg":…,"kid":…}`, as upstream writes it. */
export async function signJwt(claims: JwtClaims, key: SigningKey): Promise<string> {
  const { CompactSign } = await loadJose();
  const payload = new TextEncoder().encode(JSON.stringify(claims));
  return new CompactSign(payload).setProtectedHeader({ alg: key.algorithm, kid: key.keyId }).sign(key.privateKey);
}

/**
 * Verifies the signature and gives the claims; these are judged by the caller. The algorithm is that of the key: `none`, HMAC with a
 * public key and every other mismatch is refused.
 * @throws {JwtError}
 */
export async function verifyJwt(token: string, keys: readonly VerificationKey[]): Promise<JwtClaims> {
  const { compactVerify, decodeProtectedHeader } = await loadJose();
  let keyId: string | undefined;
  try {
    keyId = decodeProtectedHeader(token).kid;
  } catch {
    throw new JwtError('malformed token');
  }
  const candidates = keyId === undefined ? keys : keys.filter((key) => key.keyId === keyId);
  if (candidates.length === 0) throw new JwtError('invalid signature, no keys found');
  for (const { publicKey, algorithm } of candidates) {
    try {
      const { payload } = await compactVerify(token, publicKey, { algorithms: [algorithm] });
      return parseClaims(payload);
    } catch (error) {
      if (error instanceof JwtError) throw error;
      // another key may fit
    }
  }
  throw new JwtError('invalid signature');
}

/** The `iss` of what looks like a JWT, unverified: good for choosing who is to judge it and for nothing else. */
export function peekIssuer(token: string): string | undefined {
  const parts = token.split('.');
  if (parts.length !== 3) return undefined;
  try {
    const { iss } = parseClaims(Buffer.from(parts[1] ?? '', 'base64url'));
    return typeof iss === 'string' ? iss : undefined;
  } catch {
    return undefined;
  }
}

/** A public key in a JWK set. */
export interface JsonWebKey {
  readonly use: 'sig';
  readonly kty: string;
  readonly kid: string;
  readonly alg: JwtAlgorithm;
  readonly [parameter: string]: string;
}

export function toJsonWebKey({ publicKey, keyId, algorithm }: VerificationKey): JsonWebKey {
  const { kty = '', ...parameters } = publicKey.export({ format: 'jwk' }) as Record<string, string>; // a public key has only strings
  return { use: 'sig', kty, kid: keyId, alg: algorithm, ...parameters };
}

function parseClaims(payload: Uint8Array): JwtClaims {
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload).toString('utf8'));
    if (typeof claims === 'object' && claims !== null && !Array.isArray(claims)) return claims as JwtClaims;
  } catch {
    // said below, without what the parser quotes
  }
  throw new JwtError('the payload of the token is no JSON object');
}
