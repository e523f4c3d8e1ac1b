import { Metrics } from '../lib/metrics.ts';
import { listenKonnectivity } from '../tunnel/server/listen-konnectivity.ts';
import { type CommandSpec, exitCodes } from './command.ts';
import { interrupted } from './foreground.ts';
import { openKlog } from './konnectivity-options.ts';
import { konnectivityServerOptions, parseKonnectivityServer } from './konnectivity-server-options.ts';
import { connectByKubeconfigOrPod, reviewTokensBy } from './token-review.ts';

export const konnectivityServer: CommandSpec = {
  name: 'konnectivity-server',
  summary: 'Run a Konnectivity server, in the place of upstream’s proxy-server',
  description:
    'Takes connections from agents on nodes and opens connections through them for a kube-apiserver. Flags have the names and meanings of proxy-server.',
  options: konnectivityServerOptions,
  run: async ({ options, signal }) => {
    const { config, tokens, gracefulShutdownMs } = parseKonnectivityServer(options);
    const log = openKlog(options);
    await using opened = new AsyncDisposableStack();
    const client = tokens && opened.use(await connectByKubeconfigOrPod(tokens.kubeconfig));
    const agents = client ? { ...config.agents, tokens: { ...tokens, review: reviewTokensBy(client) } } : config.agents;
    const server = opened.use(await listenKonnectivity({ ...config, agents }, { log, signal, metrics: new Metrics() }));
    log.info('Konnectivity server ready', { serverId: config.serverId, agentPort: server.agentPort });
    await interrupted(signal);
    log.info('Stopping', { gracefulShutdownMs });
    await server.drain(gracefulShutdownMs);
    return exitCodes.ok;
  },
};
