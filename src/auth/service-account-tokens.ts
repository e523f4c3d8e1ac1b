import { hash, randomUUID } from 'node:crypto';
import { type Clock, systemClock } from '../lib/clock.ts';
import { JwtError, peekIssuer, signJwt, verifyJwt } from '../pki/jwt.ts';
import type { SigningKey, VerificationKey } from '../pki/signing-key.ts';
import { ExpiringCache } from './expiring-cache.ts';
import {
  encodeServiceAccountClaims,
  type NamedReference,
  parseServiceAccountClaims,
  type ServiceAccountClaims,
} from './service-account-claims.ts';

export interface ServiceAccountTokensOptions {
  /** The first issues, all are accepted (`--service-account-issuer`). */
  readonly issuers: readonly string[];
  readonly signingKey: SigningKey;
  /** Further keys whose tokens are accepted, for a change of key. */
  readonly verificationKeys?: readonly VerificationKey[];
  /** @default the issuers */
  readonly apiAudiences?: readonly string[];
  readonly clock?: Clock;
}

export interface TokenSubject {
  readonly namespace: string;
  readonly serviceAccount: NamedReference;
  /** At most one of pod and secret; `node` alone, or beside the pod that runs there. */
  readonly pod?: NamedReference;
  readonly secret?: NamedReference;
  readonly node?: NamedReference;
}

export interface NewServiceAccountToken extends TokenSubject {
  readonly audiences: readonly string[];
  readonly lifetimeSeconds: number;
  /** After this time the client should have a newer one; sets the `warnafter` claim. */
  readonly warnAfterSeconds?: number;
}

export interface IssuedToken {
  readonly token: string;
  /** The `jti`, for the audit. */
  readonly id: string;
  readonly issuedAtMs: number;
}

/** Clocks may differ by this much. */
export const clockLeewaySeconds = 60;
/** Verified tokens that are kept, each until it expires. */
const maxVerified = 8192;

/**
 * The tokens of service accounts: signs them and proves who signed one. Whether the account and the pod still exist is asked elsewhere,
 * with each use; the signature of one token is verified once.
 */
export class ServiceAccountTokens {
  readonly issuer: string;
  readonly issuers: readonly string[];
  readonly apiAudiences: readonly string[];
  /** The signing key first. */
  readonly keys: readonly VerificationKey[];
  readonly #signingKey: SigningKey;
  readonly #clock: Clock;
  readonly #verified: ExpiringCache<ServiceAccountClaims>;

  constructor(options: ServiceAccountTokensOptions) {
    const { issuers, signingKey, verificationKeys = [], clock = systemClock } = options;
    const [issuer] = issuers;
    if (issuer === undefined) throw new RangeError('Service account tokens need an issuer');
    this.issuer = issuer;
    this.issuers = issuers;
    this.apiAudiences = options.apiAudiences ?? issuers;
    this.#signingKey = signingKey;
    this.keys = [signingKey, ...verificationKeys.filter(({ keyId }) => keyId !== signingKey.keyId)];
    this.#clock = clock;
    this.#verified = new ExpiringCache({ maxEntries: maxVerified, clock });
  }

  async issue(request: NewServiceAccountToken): Promise<IssuedToken> {
    const { audiences, lifetimeSeconds, warnAfterSeconds, ...subject } = request;
    const nowMs = this.#clock.now();
    const now = Math.floor(nowMs / 1000);
    const id = randomUUID();
    const claims = encodeServiceAccountClaims({
      ...subject,
      issuer: this.issuer,
      audiences,
      issuedAt: now,
      notBefore: now,
      expiresAt: now + lifetimeSeconds,
      id,
      ...(warnAfterSeconds !== undefined && { warnAfter: now + warnAfterSeconds }),
    });
    return { token: await signJwt(claims, this.#signingKey), id, issuedAtMs: now * 1000 };
  }

  /** Whether `token` says that it comes from here: others are left to other authenticators. */
  isOurs(token: string): boolean {
    const issuer = peekIssuer(token);
    return issuer !== undefined && this.issuers.includes(issuer);
  }

  /** The claims of a token that was verified before and has not expired. */
  remembered(token: string): ServiceAccountClaims | undefined {
    return this.#verified.get(hash('sha256', token));
  }

  /** Proves signature and issuer and reads the claims. @throws {JwtError} */
  async verify(token: string): Promise<ServiceAccountClaims> {
    const claims = parseServiceAccountClaims(await verifyJwt(token, this.keys));
    if (!this.issuers.includes(claims.issuer)) throw new JwtError('the token is of another issuer');
    this.#verified.set(hash('sha256', token), claims, (claims.expiresAt + clockLeewaySeconds) * 1000);
    return claims;
  }
}
