import { randomInt } from 'node:crypto';
import type { Secret } from '../api/kubernetes/core-v1.ts';
import { formatTime } from '../lib/clock.ts';

export const bootstrapTokenNamespace = 'kube-system';
export const bootstrapTokenType = 'bootstrap.kubernetes.io/token';
/** The group kubeadm gives joining nodes, and the one the bootstrap roles are bound to. */
export const defaultNodeTokenGroup = 'system:bootstrappers:kubeadm:default-node-token';

const tokenPattern = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;
const groupPattern = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;

export interface BootstrapTokenId {
  readonly id: string;
  readonly secret: string;
}

/** A bootstrap token's Secret, read. */
export interface BootstrapToken extends BootstrapTokenId {
  readonly description: string;
  /** `undefined` for one that never expires. One that cannot be read counts as expired: 0. */
  readonly expiresAtMs: number | undefined;
  readonly forAuthentication: boolean;
  readonly forSigning: boolean;
  /** `undefined` where one of them is not allowed: then the token is of no use. */
  readonly extraGroups: readonly string[] | undefined;
  /** Serves one node only, see {@link createBootstrapTokenSecret}. */
  readonly oneTime: boolean;
  /** The node a one-time token was used for, and the pin of that node's key. */
  readonly boundNode: string | undefined;
  readonly boundKey: string | undefined;
}

/** Names of the data keys; the last three are this project's own. */
export const bootstrapTokenKeys = {
  id: 'token-id',
  secret: 'token-secret',
  expiration: 'expiration',
  description: 'description',
  authentication: 'usage-bootstrap-authentication',
  signing: 'usage-bootstrap-signing',
  extraGroups: 'auth-extra-groups',
  oneTime: 'fairlead-one-time',
  boundNode: 'fairlead-bound-node',
  boundKey: 'fairlead-bound-key',
} as const;

/** `id.secret`, 6 and 16 of `[a-z0-9]`; `undefined` for anything else. */
export function parseBootstrapToken(token: string): BootstrapTokenId | undefined {
  const [, id, secret] = tokenPattern.exec(token) ?? [];
  return id !== undefined && secret !== undefined ? { id, secret } : undefined;
}

export function generateBootstrapToken(): BootstrapTokenId {
  return { id: randomText(6), secret: randomText(16) };
}

export function formatBootstrapToken({ id, secret }: BootstrapTokenId): string {
  return `${id}.${secret}`;
}

export function bootstrapTokenSecretName(id: string): string {
  return `bootstrap-token-${id}`;
}

export interface NewBootstrapToken {
  /** @default a random one */
  readonly token?: BootstrapTokenId;
  /** Milliseconds since the epoch. @default never */
  readonly expiresAtMs?: number;
  readonly description?: string;
  /** @default true */
  readonly forAuthentication?: boolean;
  /** @default true */
  readonly forSigning?: boolean;
  /** @default kubeadm's group of joining nodes */
  readonly extraGroups?: readonly string[];
  /**
   * Binds to the first node name and key it is used with, so that this node alone can repeat a join that broke off.
   * @default false: as upstream, any number of nodes may use it
   */
  readonly oneTime?: boolean;
}

/** A bootstrap token with the Secret that makes it valid. @throws {RangeError} for a group that such tokens may not carry */
export function createBootstrapTokenSecret(options: NewBootstrapToken = {}): {
  token: BootstrapTokenId;
  secret: Secret;
} {
  const { token = generateBootstrapToken(), extraGroups = [defaultNodeTokenGroup] } = options;
  const bad = extraGroups.find((group) => !groupPattern.test(group));
  if (bad !== undefined)
    throw new RangeError(`Bootstrap tokens cannot be in group ${JSON.stringify(bad)}: it must match ${groupPattern}`);
  const values: [string, string | undefined][] = [
    [bootstrapTokenKeys.id, token.id],
    [bootstrapTokenKeys.secret, token.secret],
    [bootstrapTokenKeys.description, options.description],
    [bootstrapTokenKeys.expiration, options.expiresAtMs === undefined ? undefined : formatTime(options.expiresAtMs)],
    [bootstrapTokenKeys.authentication, options.forAuthentication === false ? undefined : 'true'],
    [bootstrapTokenKeys.signing, options.forSigning === false ? undefined : 'true'],
    [bootstrapTokenKeys.extraGroups, extraGroups.length > 0 ? extraGroups.join(',') : undefined],
    [bootstrapTokenKeys.oneTime, options.oneTime ? 'true' : undefined],
  ];
  const data = Object.fromEntries(
    values.flatMap(([key, value]) => (value === undefined ? [] : [[key, Buffer.from(value).toString('base64')]])),
  );
  const metadata = { name: bootstrapTokenSecretName(token.id), namespace: bootstrapTokenNamespace };
  return { token, secret: { apiVersion: 'v1', kind: 'Secret', metadata, type: bootstrapTokenType, data } };
}

/**
 * Reads a bootstrap token's Secret; `undefined` for a Secret that is none: other type, other namespace, a name that is not its id's,
 * or an id or secret that is not well formed.
 */
export function parseBootstrapTokenSecret(secret: Secret): BootstrapToken | undefined {
  const value = (key: string) => {
    const encoded = secret.data?.[key];
    return encoded === undefined ? undefined : Buffer.from(encoded, 'base64').toString('utf8');
  };
  const token = parseBootstrapToken(`${value(bootstrapTokenKeys.id) ?? ''}.${value(bootstrapTokenKeys.secret) ?? ''}`);
  const { name, namespace } = secret.metadata ?? {};
  if (!token || secret.type !== bootstrapTokenType || namespace !== bootstrapTokenNamespace) return undefined;
  if (name !== bootstrapTokenSecretName(token.id)) return undefined;
  const groups = (value(bootstrapTokenKeys.extraGroups) ?? '').split(',').map((group) => group.trim());
  const extraGroups = [...new Set(groups.filter((group) => group !== ''))].sort();
  return {
    ...token,
    description: value(bootstrapTokenKeys.description) ?? '',
    expiresAtMs: parseExpiration(value(bootstrapTokenKeys.expiration)),
    forAuthentication: value(bootstrapTokenKeys.authentication) === 'true',
    forSigning: value(bootstrapTokenKeys.signing) === 'true',
    extraGroups: extraGroups.every((group) => groupPattern.test(group)) ? extraGroups : undefined,
    oneTime: value(bootstrapTokenKeys.oneTime) === 'true',
    boundNode: value(bootstrapTokenKeys.boundNode) || undefined,
    boundKey: value(bootstrapTokenKeys.boundKey) || undefined,
  };
}

/** RFC 3339 with a zone. */
function parseExpiration(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  const wellFormed = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text);
  return (wellFormed && Date.parse(text)) || 0;
}

function randomText(length: number): string {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789';
  return Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('');
}
