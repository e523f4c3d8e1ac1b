import type { Pod } from '../api/kubernetes/core-v1.ts';
import { ConfigError } from '../lib/config-error.ts';
import type { Logger } from '../lib/log.ts';
import { fairleadVersion } from '../lib/version.ts';
import { demoImage } from './demo/demo-image.ts';
import type { NodeConfig } from './node-config.ts';
import { openProcessRuntime } from './runtimes/process/process-runtime.ts';
import type { Runtime } from './runtimes/runtime.ts';
import { SimulatedRuntime } from './runtimes/simulated/simulated-runtime.ts';

/** The runtimes of a node: the one that pods get, and the one that `runtimeClassName: simulated` asks for. */
export interface RuntimeSet {
  readonly main: Runtime;
  readonly all: readonly Runtime[];
  readonly handlers: readonly string[];
  runtimeFor(pod: Pod): Runtime;
}

export async function openRuntimes(config: NodeConfig, log: Logger): Promise<RuntimeSet> {
  const simulated = new SimulatedRuntime(config.simulation ?? {}, { version: fairleadVersion });
  const main = await openMain(config, simulated, log);
  const all = main === simulated ? [main] : [main, simulated];
  for (const runtime of all) await runtime.recover();
  return {
    main,
    all,
    handlers: ['', 'simulated'],
    runtimeFor: ({ spec }) => (spec?.runtimeClassName === 'simulated' ? simulated : main),
  };
}

async function openMain(config: NodeConfig, simulated: Runtime, log: Logger): Promise<Runtime> {
  const { runtime = 'process' } = config;
  if (runtime === 'simulated') return simulated;
  if (typeof runtime === 'object') return runtime;
  if (runtime !== 'process') throw new ConfigError(`--runtime: expected process or simulated, not ${String(runtime)}`);
  return openProcessRuntime({
    directory: `${config.dataDirectory}/process`,
    version: fairleadVersion,
    images: { 'fairlead/demo': demoImage(), ...config.images },
    onDispose: config.onShutdown === 'stop-pods' ? 'stop' : 'leave',
    log,
    ...(config.isolation && { isolation: config.isolation }),
  });
}
