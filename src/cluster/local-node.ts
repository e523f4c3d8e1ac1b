import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { LoopbackPodNetwork } from '../kubelet/loopback-pod-network.ts';
import { kubeconfigPath } from '../kubelet/node/join.ts';
import type { NodeConfig, RunningNode } from '../kubelet/node-config.ts';
import { runNode } from '../kubelet/run-node.ts';
import type { Logger } from '../lib/log.ts';
import type { ControlPlane } from './control-plane.ts';
import { createJoinToken } from './join-token.ts';

export interface LocalNode extends AsyncDisposable {
  readonly node: RunningNode;
  /** Whether it joined now, or came back with the certificates of an earlier start. */
  readonly joined: boolean;
}

const joinWindowMs = 5 * 60_000;

/** Runs a node of this machine that joins over the wire like any other: with a one-time join string, or with what it kept. */
export async function startLocalNode(
  controlPlane: Pick<ControlPlane, 'client' | 'pki' | 'server'>,
  config: Omit<NodeConfig, 'bootstrap' | 'dataDirectory'> & { readonly nodesDirectory: string },
  { log, signal }: { log: Logger; signal: AbortSignal },
): Promise<LocalNode> {
  const { nodesDirectory, ...rest } = config;
  const dataDirectory = join(nodesDirectory, config.name);
  const joined = !existsSync(kubeconfigPath(dataDirectory));
  const bootstrap = joined ? { bootstrap: await joinString(controlPlane, config.name, signal) } : {};
  const podNetwork = new LoopbackPodNetwork(podRangeOf(dataDirectory));
  const { server } = controlPlane;
  const node = await runNode({ podNetwork, server, ...rest, ...bootstrap, dataDirectory }, { log, signal });
  return { node, joined, [Symbol.asyncDispose]: () => node[Symbol.asyncDispose]() };
}

async function joinString(
  { client, pki, server }: Pick<ControlPlane, 'client' | 'pki' | 'server'>,
  name: string,
  signal: AbortSignal,
): Promise<string> {
  const token = await createJoinToken(client, {
    server,
    caPin: pki.cluster.pin,
    expiresAtMs: Date.now() + joinWindowMs,
    description: `node ${name}`,
    signal,
  });
  return token.joinString;
}

/**
 * A loopback range for the node's pods: 127.64.0.0/24 to 127.191.255.0/24, by its directory. Clusters of one machine share the loopback
 * interface, so that two with one range would take each other's ports.
 */
function podRangeOf(directory: string): string {
  const [first = 0, second = 0] = createHash('sha256').update(directory).digest();
  return `127.${64 + (first % 128)}.${second}.0/24`;
}
