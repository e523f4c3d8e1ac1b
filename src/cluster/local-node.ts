import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { kubeconfigPath } from '../kubelet/node/join.ts';
import type { RunningNode } from '../kubelet/node-config.ts';
import type { Logger } from '../lib/log.ts';
import type { ControlPlane } from './control-plane.ts';
import { joinStringFor } from './join-token.ts';
import { type NodeAgentConfig, runNodeAgent } from './node-agent.ts';

export interface LocalNode extends AsyncDisposable {
  readonly node: RunningNode;
  /** Whether it joined now, or came back with the certificates of an earlier start. */
  readonly joined: boolean;
}

/** Runs a node of this machine that joins over the wire like any other: with a one-time join string, or with what it kept. */
export async function startLocalNode(
  controlPlane: Pick<ControlPlane, 'client' | 'pki' | 'server'>,
  config: Omit<NodeAgentConfig, 'bootstrap' | 'dataDirectory'> & { readonly nodesDirectory: string },
  { log, signal }: { log: Logger; signal: AbortSignal },
): Promise<LocalNode> {
  const { nodesDirectory, ...rest } = config;
  const dataDirectory = join(nodesDirectory, config.name);
  const joined = !existsSync(kubeconfigPath(dataDirectory));
  const bootstrap = joined ? { bootstrap: await joinStringFor(controlPlane, config.name, signal) } : {};
  const { server } = controlPlane;
  const node = await runNodeAgent({ server, ...rest, ...bootstrap, dataDirectory }, { log, signal });
  return { node, joined, [Symbol.asyncDispose]: () => node[Symbol.asyncDispose]() };
}
