import { type JwtClaims, JwtError } from '../pki/jwt.ts';
import { parseServiceAccountUsername } from './service-account-name.ts';

export interface NamedReference {
  readonly name: string;
  /** `''` where the object is only known by name. */
  readonly uid: string;
}

/** What a bound service account token says. Times are seconds since the epoch. */
export interface ServiceAccountClaims {
  readonly issuer: string;
  readonly audiences: readonly string[];
  readonly issuedAt: number;
  readonly notBefore: number;
  readonly expiresAt: number;
  readonly id: string;
  readonly namespace: string;
  readonly serviceAccount: NamedReference;
  readonly pod?: NamedReference;
  readonly secret?: NamedReference;
  readonly node?: NamedReference;
  /** When the client should have fetched a newer one. */
  readonly warnAfter?: number;
}

/** The JWT payload, with upstream's names. */
export function encodeServiceAccountClaims(claims: ServiceAccountClaims): JwtClaims {
  const { namespace, serviceAccount, pod, secret, node, warnAfter } = claims;
  return {
    aud: claims.audiences,
    exp: claims.expiresAt,
    iat: claims.issuedAt,
    iss: claims.issuer,
    jti: claims.id,
    'kubernetes.io': {
      namespace,
      ...(node && { node: node.uid === '' ? { name: node.name } : node }),
      ...(pod && { pod }),
      ...(secret && { secret }),
      serviceaccount: serviceAccount,
      ...(warnAfter !== undefined && { warnafter: warnAfter }),
    },
    nbf: claims.notBefore,
    sub: `system:serviceaccount:${namespace}:${serviceAccount.name}`,
  };
}

/** Reads the payload of a token whose signature is right. @throws {JwtError} which names the claim */
export function parseServiceAccountClaims(claims: JwtClaims): ServiceAccountClaims {
  const bound = objectOf(claims['kubernetes.io'], 'kubernetes.io');
  const subject = parseServiceAccountUsername(text(claims['sub'], 'sub'));
  const namespace = text(bound['namespace'], 'kubernetes.io.namespace');
  const serviceAccount = reference(bound, 'serviceaccount');
  if (!serviceAccount || serviceAccount.uid === '')
    throw new JwtError('the token names no service account with its uid');
  if (subject?.namespace !== namespace || subject.name !== serviceAccount.name)
    throw new JwtError('the subject of the token is not its service account');
  const { warnafter } = bound;
  const optional = {
    pod: reference(bound, 'pod'),
    secret: reference(bound, 'secret'),
    node: reference(bound, 'node'),
    warnAfter: warnafter === undefined || warnafter === null ? undefined : seconds(warnafter, 'warnafter'),
  };
  return {
    issuer: text(claims['iss'], 'iss'),
    audiences: audiencesOf(claims['aud']),
    issuedAt: seconds(claims['iat'], 'iat'),
    notBefore: seconds(claims['nbf'], 'nbf'),
    expiresAt: seconds(claims['exp'], 'exp'),
    id: typeof claims['jti'] === 'string' ? claims['jti'] : '',
    namespace,
    serviceAccount,
    ...(optional.pod && { pod: optional.pod }),
    ...(optional.secret && { secret: optional.secret }),
    ...(optional.node && { node: optional.node }),
    ...(optional.warnAfter !== undefined && { warnAfter: optional.warnAfter }),
  };
}

function reference(bound: Record<string, unknown>, kind: string): NamedReference | undefined {
  const value = bound[kind];
  if (value === undefined || value === null) return undefined;
  const { name, uid } = objectOf(value, kind);
  return { name: text(name, `${kind}.name`), uid: uid === undefined ? '' : text(uid, `${kind}.uid`) };
}

function audiencesOf(value: unknown): string[] {
  const list = typeof value === 'string' ? [value] : value;
  if (!Array.isArray(list) || !list.every((item) => typeof item === 'string'))
    throw new JwtError('claim aud must be a list of strings');
  return list;
}

function objectOf(value: unknown, claim: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new JwtError(`claim ${claim} must be an object`);
}

function text(value: unknown, claim: string): string {
  if (typeof value === 'string') return value;
  throw new JwtError(`claim ${claim} must be a string`);
}

function seconds(value: unknown, claim: string): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new JwtError(`claim ${claim} must be a number`);
}
