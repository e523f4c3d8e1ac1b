import type { ApiClient } from '../client/client.ts';
import { type ClientConfig, currentOf } from '../client/client-config.ts';
import { pathsPath } from '../cluster/paths-handler.ts';
import { type ApiServerAccess, causeOf, probeCaller } from '../doctor/api-server-probes.ts';
import { exitCodeOf, type PathReport, type PathResult, pathReport, type Verdict } from '../doctor/path-report.ts';
import { clusterOptions, connectToCluster } from './cluster-options.ts';
import { type CommandSpec, exitCodes } from './command.ts';
import type { Terminal } from './terminal.ts';

const marks: Readonly<Record<Verdict, string>> = {
  proved: '√',
  plaintext: '‼',
  unverified: '‼',
  broken: '×',
  unused: '-',
};

export const doctor: CommandSpec = {
  name: 'doctor',
  summary: 'Walk the paths between nodes and the control plane and say who proved what to whom',
  description:
    'Walks every path for real. Exit codes: 0 all proved, 3 a path is broken, 4 a path works and is not verified where it should be.',
  options: [
    ...clusterOptions,
    { flags: '--kubeconfig <file>', description: 'Kubeconfig with the credentials to use' },
    { flags: '--path <name>', description: 'Only this path, such as apiserver-kubelet-logs', repeatable: true },
    { flags: '--node <name>', description: 'Only paths of this node', repeatable: true },
    { flags: '--strict', description: 'Stretches that upstream’s rules leave plain count as unverified' },
    { flags: '-o, --output <format>', description: 'Output format', choices: ['text', 'json'], default: 'text' },
  ],
  run: async ({ options, terminal, signal }) => {
    const { client, config } = await connectToCluster(options);
    await using connection = client;
    const [own, served] = await Promise.all([probeUser(connection, config, signal), askServer(connection, signal)]);
    const [paths, nodes] = [options.list('path'), options.list('node')];
    const items = [own, ...served].filter(
      ({ path, node }) =>
        (paths.length === 0 || paths.includes(path)) &&
        (nodes.length === 0 || (node !== undefined && nodes.includes(node))),
    );
    const report = pathReport(items);
    if (options.text('output') === 'json') terminal.print(JSON.stringify(report, undefined, 2));
    else print(report, terminal);
    return exitCodeOf(report, { strict: options.flag('strict') });
  },
};

/** From here to the API server, with the user's own credentials. */
async function probeUser(client: ApiClient, config: ClientConfig, signal: AbortSignal): Promise<PathResult> {
  const { hostname, port } = new URL(client.server);
  const { certificate, token } = config;
  const access: ApiServerAccess = {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port || 443),
    ca: currentOf(config.ca),
    ...(certificate && { certificate: currentOf(certificate) }),
    ...(token !== undefined && { token: currentOf(token) }),
  };
  const limited = AbortSignal.any([signal, AbortSignal.timeout(10_000)]);
  return probeCaller(access, { path: 'user-apiserver', title: 'user → API server', from: 'you', signal: limited });
}

/** What the API server found. One that is not ours, or that does not let us ask, is a path that could not be walked. */
async function askServer(client: ApiClient, signal: AbortSignal): Promise<readonly PathResult[]> {
  const unknown = { path: 'apiserver', title: "the API server's own paths", verdict: 'broken', hops: [] } as const;
  try {
    const { status, body } = await client.request({ method: 'GET', path: pathsPath }, { signal });
    const text = Buffer.from(body).toString();
    if (status === 200) return (JSON.parse(text) as PathReport).items; // our own server's answer
    if (status === 404)
      return [{ ...unknown, verdict: 'unused', cause: 'this API server is not Fairlead’s: it walks no paths' }];
    return [
      { ...unknown, cause: `${pathsPath} answered ${status}: ${text}`, next: 'kubectl auth can-i get /fairlead/paths' },
    ];
  } catch (error) {
    return [{ ...unknown, cause: causeOf(error) }];
  }
}

function print({ items }: PathReport, terminal: Terminal): void {
  for (const { verdict, title, node, hops, cause, next } of items) {
    const [hop] = hops;
    const proof = [
      hop?.route && (hop.via ? `${hop.route} by ${hop.via}` : hop.route),
      hop?.tls && `${hop.tls.version}, ${hop.tls.peer} verified as ${hop.tls.name} by ${hop.tls.authority}`,
      hop?.identity && `as ${hop.identity}`,
      hop?.authorization,
      hop?.latencyMs !== undefined && `${hop.latencyMs} ms`,
    ].filter(Boolean);
    const where = node === undefined ? '' : ` (${node})`;
    terminal.print(`${marks[verdict]} ${title}${where}${proof.length > 0 ? `   ${proof.join('; ')}` : ''}`);
    if (cause !== undefined) terminal.print(`    cause: ${cause}`);
    if (next !== undefined) terminal.print(`    next:  ${next}`);
  }
  if (items.length === 0) terminal.say(`no path matches (exit code ${exitCodes.ok})`);
}
