import type { ResourceInfo } from '../api/resource-info.ts';
import type { ObjectSource } from '../auth/object-source.ts';
import type { Clock } from '../lib/clock.ts';
import type { Metrics } from '../lib/metrics.ts';
import { ServiceAllocator } from './allocators/service-allocator.ts';
import type { ApiServerConfig } from './config.ts';
import { genericTraits } from './generic-traits.ts';
import { podStrategy } from './resources/pods.ts';
import { serviceStrategy } from './resources/services.ts';
import type { Strategy } from './strategy.ts';

/** What strategies with an allocator, or with a look at other objects, are made from. */
export interface StrategyDependencies {
  readonly config: ApiServerConfig;
  readonly objects: ObjectSource;
  readonly clock: Clock;
  /** @default nothing is counted */
  readonly metrics?: Metrics;
}

/** The strategies of all resources, by `deployments.apps`. What has none of its own has the traits alone. */
export function createStrategies(dependencies: StrategyDependencies): (resource: ResourceInfo) => Strategy {
  const { config, objects, metrics } = dependencies;
  const allocator = new ServiceAllocator({
    clusterIpRange: config.serviceClusterIpRange ?? '10.96.0.0/12',
    nodePortRange: config.serviceNodePortRange ?? { first: 30_000, last: 32_767 },
    objects,
    ...(metrics && { metrics }),
  });
  const own: Readonly<Record<string, Strategy>> = {
    pods: podStrategy,
    services: serviceStrategy(allocator),
  };
  const known = new Map<string, Strategy>();
  return ({ group, resource }) => {
    const key = group === '' ? resource : `${resource}.${group}`;
    let strategy = known.get(key);
    if (!strategy) {
      strategy = { ...genericTraits(key), ...own[key] };
      known.set(key, strategy);
    }
    return strategy;
  };
}
