import { setTimeout as wait } from 'node:timers/promises';
import { Metrics } from '../lib/metrics.ts';
import { listenAgentProbes } from '../tunnel/agent/agent-probes.ts';
import { KonnectivityAgent } from '../tunnel/agent/run-agent.ts';
import { type CommandSpec, exitCodes } from './command.ts';
import { interrupted } from './foreground.ts';
import { konnectivityAgentOptions, parseKonnectivityAgent } from './konnectivity-agent-options.ts';
import { openKlog } from './konnectivity-options.ts';

/** After the first signal the agent serves on until it has been idle for so long, and at most below Kubernetes' own patience of 30 s. */
const idleMs = 5_000;
const drainMs = 25_000;

export const konnectivityAgent: CommandSpec = {
  name: 'konnectivity-agent',
  summary: 'Run a Konnectivity agent, in the place of upstream’s proxy-agent',
  description:
    'Holds a connection to each Konnectivity server and opens connections from this machine for it. Flags have the names and meanings of proxy-agent.',
  options: konnectivityAgentOptions,
  run: async ({ options, signal }) => {
    const { config, health, admin } = parseKonnectivityAgent(options);
    const log = openKlog(options);
    const metrics = new Metrics();
    await using agent = new KonnectivityAgent(config, { log, metrics });
    await using _probes = await listenAgentProbes({ agent, metrics, health, admin });
    await interrupted(signal);
    agent.drain();
    const startedMs = performance.now();
    let busyMs = startedMs;
    while (performance.now() - busyMs < idleMs && performance.now() - startedMs < drainMs) {
      await wait(100);
      if (agent.connections > 0) busyMs = performance.now();
    }
    return exitCodes.ok;
  },
};
