import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type NodeRoute, nodeRouteLabel, nodeRoutes } from '../api/node-route.ts';
import type { NodeConfig, NodeTunnel, NodeTunnelOptions, RunningNode } from '../kubelet/node-config.ts';
import { type RunNodeOptions, runNode } from '../kubelet/run-node.ts';
import { readPrivateFile, writePrivateFile } from '../pki/private-file.ts';
import { KonnectivityAgent } from '../tunnel/agent/run-agent.ts';

export interface NodeAgentConfig extends Omit<NodeConfig, 'openTunnel'> {
  /**
   * How the control plane reaches this node; recorded on the Node when it joins.
   * @default what was chosen before; for a new node `tunnel` where it joins with a join string, else `direct`
   */
  readonly route?: NodeRoute;
}

/** A kubelet, and the tunnel agent that belongs to it where the node's route is the tunnel. @throws {ConfigError} */
export async function runNodeAgent(config: NodeAgentConfig, options: RunNodeOptions): Promise<RunningNode> {
  const { route: given, ...kubelet } = config;
  const route = given ?? (await keptRoute(config)) ?? (typeof config.bootstrap === 'string' ? 'tunnel' : 'direct');
  const node = await runNode(
    {
      ...kubelet,
      labels: { ...config.labels, [nodeRouteLabel]: route },
      ...(route === 'tunnel' && { openTunnel: openTunnelAgent }),
    },
    options,
  );
  await writePrivateFile(routeFile(config), `${route}\n`);
  return node;
}

/** A restart must not lose the way back: the route is kept beside the node's credentials. */
function routeFile({ dataDirectory }: NodeAgentConfig): string {
  return join(dataDirectory, 'route');
}

async function keptRoute(config: NodeAgentConfig): Promise<NodeRoute | undefined> {
  await mkdir(config.dataDirectory, { recursive: true, mode: 0o700 });
  const kept = (await readPrivateFile(routeFile(config)))?.trim();
  return nodeRoutes.find((route) => route === kept);
}

/** The agent shows the node's own certificate to the API server's port, which is all that it needs to reach. */
function openTunnelAgent(options: NodeTunnelOptions): NodeTunnel {
  const { nodeName, ca, certificate, log, metrics, onChange } = options;
  const { hostname, port } = new URL(options.server);
  const agent = new KonnectivityAgent(
    {
      agentId: nodeName,
      identifiers: `host=${nodeName}`,
      server: { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 443) },
      get tls() {
        const current = certificate();
        return { ca, ...(current && { certificate: current }) };
      },
    },
    { log, metrics, onServersChange: onChange },
  );
  return {
    notReady: () => (agent.ready ? undefined : 'the tunnel to the control plane is not connected'),
    [Symbol.asyncDispose]: () => agent[Symbol.asyncDispose](),
  };
}
