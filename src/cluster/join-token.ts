import type { Secret } from '../api/kubernetes/core-v1.ts';
import { createBootstrapTokenSecret, formatBootstrapToken } from '../auth/bootstrap-tokens.ts';
import type { ApiClient } from '../client/client.ts';
import { secrets } from '../client/resources.ts';
import { formatJoinString } from '../pki/join-string.ts';
import type { ControlPlane } from './control-plane.ts';

export interface JoinTokenOptions {
  /** As the node will dial it. */
  readonly server: string;
  /** `sha256:<hex>` of the cluster CA's key. */
  readonly caPin: string;
  /** Milliseconds since the epoch. @default never */
  readonly expiresAtMs?: number;
  /** For the first node that uses it, and for no other. @default true */
  readonly oneTime?: boolean;
  readonly description?: string;
  readonly signal?: AbortSignal;
}

export interface JoinToken {
  /** The public half, as `fairlead token list` shows it. */
  readonly id: string;
  /** `id.secret`, as upstream's tools take it. */
  readonly token: string;
  /** Endpoint, CA pin and token in one word. */
  readonly joinString: string;
}

/** Creates a token that a node may join with. It is valid once the promise resolves. */
export async function createJoinToken(client: ApiClient, options: JoinTokenOptions): Promise<JoinToken> {
  const { server, caPin, expiresAtMs, oneTime = true, description, signal } = options;
  const { token, secret } = createBootstrapTokenSecret({
    oneTime,
    ...(expiresAtMs !== undefined && { expiresAtMs }),
    ...(description !== undefined && { description }),
  });
  await client.create<Secret>(secrets, secret, signal ? { signal } : {});
  const text = formatBootstrapToken(token);
  return { id: token.id, token: text, joinString: formatJoinString({ server, caPin, token: text }) };
}

const ownJoinWindowMs = 5 * 60_000;

/** A join string for one node of this machine, good for a few minutes. */
export async function joinStringFor(
  { client, pki, server }: Pick<ControlPlane, 'client' | 'pki' | 'server'>,
  nodeName: string,
  signal: AbortSignal,
): Promise<string> {
  const { joinString } = await createJoinToken(client, {
    server,
    caPin: pki.cluster.pin,
    expiresAtMs: Date.now() + ownJoinWindowMs,
    description: `node ${nodeName}`,
    signal,
  });
  return joinString;
}
