import type { Node } from '../api/kubernetes/core-v1.ts';
import { nodeRouteLabel } from '../api/node-route.ts';
import type { ApiClient } from '../client/client.ts';
import { nodes } from '../client/resources.ts';
import { type NodeRouteList, routesPath } from '../cluster/node-routes.ts';
import { formatYaml } from '../lib/yaml.ts';
import { clusterOptions, connectToCluster } from './cluster-options.ts';
import { CommandError, type CommandSpec, exitCodes } from './command.ts';
import { formatTable } from './terminal.ts';

const routes: CommandSpec = {
  name: 'routes',
  summary: 'Show how the control plane reaches each node, and whether that way is open',
  options: [
    ...clusterOptions,
    { flags: '--kubeconfig <file>', description: 'Kubeconfig with the credentials to use' },
    {
      flags: '-o, --output <format>',
      description: 'Output format',
      choices: ['text', 'json', 'yaml'],
      default: 'text',
    },
    { flags: '--no-headers', description: 'Leave out the column heads' },
  ],
  run: async ({ options, terminal, signal }) => {
    const { client } = await connectToCluster(options);
    await using connection = client;
    const list = await readRoutes(connection, signal);
    const format = options.text('output');
    if (format === 'json') terminal.print(JSON.stringify(list, undefined, 2));
    else if (format === 'yaml') terminal.print(formatYaml(list));
    else {
      const rows = list.items.map(({ node, route, connected, connections }) => [
        node,
        route,
        connected === undefined ? '-' : connected ? 'yes' : 'no',
        String(connections ?? '-'),
      ]);
      const noHeaders = options.optionalFlag('headers') === false;
      terminal.print(formatTable(['NODE', 'ROUTE', 'CONNECTED', 'OPEN CONNECTIONS'], rows, { noHeaders }));
    }
    return exitCodes.ok;
  },
};

/** From the API server that knows; a server that is not ours has only what is recorded on the nodes. */
async function readRoutes(client: ApiClient, signal: AbortSignal): Promise<NodeRouteList> {
  const answer = await client.request({ method: 'GET', path: routesPath }, { signal });
  const text = Buffer.from(answer.body).toString();
  if (answer.status === 200) return JSON.parse(text) as NodeRouteList; // our own server's answer
  if (answer.status !== 404)
    throw new CommandError(`the API server answered ${answer.status} to ${routesPath}: ${text}`);
  const found = await client.list<Node>(nodes, { signal });
  const items = found.items.map(({ metadata }) => ({
    node: metadata?.name ?? '',
    route: metadata?.labels?.[nodeRouteLabel] ?? 'direct',
  }));
  return { apiVersion: 'fairlead.dev/v1', kind: 'NodeRouteList', items };
}

export const get: CommandSpec = {
  name: 'get',
  summary: 'Show what only Fairlead knows about a cluster',
  subcommands: [routes],
};
