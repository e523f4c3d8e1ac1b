import type { ApiClient } from '../client/client.ts';
import { ConfigError } from '../lib/config-error.ts';
import type { Logger } from '../lib/log.ts';
import { Metrics } from '../lib/metrics.ts';
import type { WatchedFiles } from '../lib/watched-files.ts';
import { LeaseController } from '../tunnel/leases/lease-controller.ts';
import { watchLeases } from '../tunnel/leases/watch-leases.ts';
import { profilingRoutes } from '../tunnel/profiling-routes.ts';
import { type KonnectivityConfig, listenKonnectivity } from '../tunnel/server/listen-konnectivity.ts';
import type { PeersConfig } from '../tunnel/server/peers.ts';
import { commonNameOfPem } from '../tunnel/server/peers-identity.ts';
import type { ServerTls } from '../tunnel/server/server-tls.ts';
import { type CommandSpec, exitCodes } from './command.ts';
import { interrupted } from './foreground.ts';
import { type CredentialTexts, watchCredentials } from './konnectivity-credentials.ts';
import { selectorOf } from './konnectivity-leases.ts';
import { openKlog } from './konnectivity-options.ts';
import { konnectivityServerOptions } from './konnectivity-server-flags.ts';
import { type ParsedServer, parseKonnectivityServer } from './konnectivity-server-options.ts';
import { limitRate } from './rate-limited-client.ts';
import { connectByKubeconfigOrPod, reviewTokensBy } from './token-review.ts';

export const konnectivityServer: CommandSpec = {
  name: 'konnectivity-server',
  summary: 'Run a Konnectivity server, in the place of upstream’s proxy-server',
  description:
    'Takes connections from agents on nodes and opens connections through them for a kube-apiserver. Flags have the names and meanings of proxy-server.',
  options: konnectivityServerOptions,
  run: async ({ options, signal }) => {
    const parsed = parseKonnectivityServer(options);
    const { tokens, lease: leaseSettings, gracefulShutdownMs } = parsed;
    const log = openKlog(options);
    const metrics = new Metrics();
    await using opened = new AsyncDisposableStack();
    const agentFiles = opened.use(await watchCredentials(parsed.agents.files, { log }));
    const { mode, address, files } = parsed.frontend;
    const frontendFiles = files && opened.use(await watchCredentials(files, { log }));
    const toTls = (texts: CredentialTexts) => serverTls(texts, parsed.tls);
    const client =
      tokens || leaseSettings ? opened.use(await connectByKubeconfigOrPod(parsed.api.kubeconfig)) : undefined;
    const limited = client && limitRate(client, parsed.api.limit);
    const peers = await openPeers(parsed, { opened, agentFiles, client: limited, log });
    const config: KonnectivityConfig = {
      ...parsed.config,
      agents: {
        address: parsed.agents.address,
        tls: toTls(agentFiles.value),
        ...(tokens && limited && { tokens: { ...tokens, review: reviewTokensBy(limited) } }),
      },
      frontend: { mode, address, ...(frontendFiles && { tls: toTls(frontendFiles.value) }) },
      ...(peers && { peers }),
      ...(parsed.profiling && { adminRoutes: profilingRoutes() }),
    };
    const server = opened.use(await listenKonnectivity(config, { log, signal, metrics }));
    agentFiles.subscribe((texts) => server.updateTls({ agents: toTls(texts) }));
    frontendFiles?.subscribe((texts) => server.updateTls({ frontend: toTls(texts) }));
    const { serverId } = config;
    const lease =
      leaseSettings &&
      limited &&
      opened.use(
        new LeaseController({
          client: limited,
          serverId,
          namespace: leaseSettings.namespace,
          labels: leaseSettings.labels,
          ...(leaseSettings.agentAddress !== undefined && { agentAddress: leaseSettings.agentAddress }),
          metrics,
          log,
        }),
      );
    log.info('Konnectivity server ready', { serverId, agentPort: server.agentPort });
    await interrupted(signal);
    log.info('Stopping', { gracefulShutdownMs });
    // Agents stop looking for this server before it takes no more dials.
    await Promise.all([lease?.release(), server.drain(gracefulShutdownMs)]);
    return exitCodes.ok;
  },
};

function serverTls({ certificate, key, ca }: CredentialTexts, common: ParsedServer['tls']): ServerTls {
  if (certificate === undefined || key === undefined) throw new ConfigError('a server needs a certificate and its key');
  return { certificate, key, ...common, ...(ca !== undefined && { clientCa: ca }) };
}

/** Other servers by list or by their leases; `undefined` where there are none, or where nothing tells servers from agents. */
async function openPeers(
  { peers, lease, agents }: ParsedServer,
  {
    opened,
    agentFiles,
    client,
    log,
  }: {
    opened: AsyncDisposableStack;
    agentFiles: WatchedFiles<CredentialTexts>;
    client: ApiClient | undefined;
    log: Logger;
  },
): Promise<PeersConfig | undefined> {
  if (!peers) return undefined;
  const own = peers.files ? opened.use(await watchCredentials(peers.files, { log })) : agentFiles;
  const commonName = commonNameOfPem(own.value.certificate ?? '');
  const names = peers.names ?? [commonName];
  if (names.every((name) => name === '')) {
    log.warn('Dials are not passed on to other servers: the certificate has no common name to know them by', {
      path: agents.files.certificate?.path,
    });
    return undefined;
  }
  const credentials = () => {
    const { certificate = '', key = '' } = own.value;
    return { ca: agentFiles.value.ca ?? '', certificate, key, names };
  };
  const { servers } = peers;
  if (servers) return { addresses: () => servers, credentials };
  if (!lease || !client) return undefined;
  const watched = opened.use(
    watchLeases({ client, namespace: lease.namespace, selector: selectorOf(lease.labels), log }),
  );
  return { addresses: () => watched.counter.addresses(), credentials };
}
