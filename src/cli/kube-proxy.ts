import { writeFile } from 'node:fs/promises';
import type { Node } from '../api/kubernetes/core-v1.ts';
import type { ApiClient } from '../client/client.ts';
import { nodes } from '../client/resources.ts';
import type { LocalDetector } from '../kube-proxy/kube-proxy-config.ts';
import { Nft } from '../kube-proxy/nftables/nft.ts';
import { runKubeProxy } from '../kube-proxy/run-kube-proxy.ts';
import { systemClock } from '../lib/clock.ts';
import { ConfigError } from '../lib/config-error.ts';
import type { Logger } from '../lib/log.ts';
import { Metrics } from '../lib/metrics.ts';
import { CommandError, type CommandSpec, exitCodes } from './command.ts';
import { interrupted } from './foreground.ts';
import { openKlog } from './konnectivity-options.ts';
import { parseKubeProxy } from './kube-proxy-configuration.ts';
import { kubeProxyOptions } from './kube-proxy-options.ts';
import { connectByKubeconfigOrPod } from './token-review.ts';

/** How long a Node may take to get its pod range. */
const nodeRangeMs = 120_000;

export const kubeProxy: CommandSpec = {
  name: 'kube-proxy',
  summary: 'Make a node answer for Services, in the place of upstream’s kube-proxy',
  description:
    'Serves Services by kernel rules (nftables) where they can be written, and by user-space listeners otherwise. Flags and configuration file have the names and meanings of kube-proxy.',
  options: kubeProxyOptions,
  run: async ({ options, signal }) => {
    const log = openKlog(options);
    if (options.flag('cleanup')) {
      await cleanUp();
      return exitCodes.ok;
    }
    const { config, kubeconfig, oomScoreAdj, detectByNode, warnings } = parseKubeProxy(options);
    for (const warning of warnings) log.warn(warning);
    await setOomScore(oomScoreAdj, log);
    await using client = await connectByKubeconfigOrPod(kubeconfig);
    const localDetector = detectByNode ? await nodeRanges(client, config.nodeName, signal) : config.localDetector;
    await using proxy = await runKubeProxy(
      { ...config, ...(localDetector && { localDetector }) },
      { client, log, metrics: new Metrics(), signal },
    );
    proxy.synced.then(
      () => {
        for (const port of proxy.ports()) if (port.mapped) log.info('Mapped Service port', { ...port });
        log.info('All Services are in force', { mode: proxy.mode, ports: proxy.ports().length });
      },
      () => {}, // Interrupted before.
    );
    await interrupted(signal);
    return exitCodes.ok;
  },
};

/** Also where there was nothing. */
async function cleanUp(): Promise<void> {
  const nft = new Nft();
  const failures: unknown[] = [];
  for (const family of ['ip', 'ip6'] as const) {
    await nft.deleteTable(family).catch((error: unknown) => failures.push(error));
  }
  if (failures.length === 2) throw new ConfigError('The rules cannot be deleted', { cause: failures[0] });
}

async function setOomScore(score: number, log: Logger): Promise<void> {
  try {
    await writeFile('/proc/self/oom_score_adj', String(score));
  } catch (error) {
    log.debug('The OOM score cannot be set', { score, error }); // An ordinary user may not lower it.
  }
}

async function nodeRanges(client: ApiClient, name: string, signal: AbortSignal): Promise<LocalDetector> {
  for (const startedMs = systemClock.now(); systemClock.now() - startedMs < nodeRangeMs; ) {
    const node = await client.get<Node>(nodes, { name }, { signal });
    const cidrs = node.spec?.podCIDRs ?? [];
    if (cidrs.length > 0) return { kind: 'cidrs', cidrs };
    await systemClock.delay(1_000, { signal });
  }
  throw new CommandError(`node "${name}" got no pod range`);
}
