import type { Secret } from '../api/kubernetes/core-v1.ts';
import { bootstrapTokenKeys, bootstrapTokenSecretName, parseBootstrapToken } from '../auth/bootstrap-tokens.ts';

export interface TokenSecret {
  readonly id: string;
  readonly secret: string;
  readonly forSigning: boolean;
  /** 0 for an expiration that cannot be read. */
  readonly expiresAtMs: number | undefined;
}

/** What the signer and the cleaner need of a bootstrap token's Secret; undefined where it is none. */
export function readTokenSecret({ metadata, data }: Secret): TokenSecret | undefined {
  const text = (name: string) => Buffer.from(data?.[name] ?? '', 'base64').toString();
  const id = text(bootstrapTokenKeys.id);
  const secret = text(bootstrapTokenKeys.secret);
  if (!parseBootstrapToken(`${id}.${secret}`) || metadata?.name !== bootstrapTokenSecretName(id)) return undefined;
  const expiration = text(bootstrapTokenKeys.expiration);
  return {
    id,
    secret,
    forSigning: text(bootstrapTokenKeys.signing) === 'true',
    expiresAtMs: expiration === '' ? undefined : Date.parse(expiration) || 0,
  };
}
