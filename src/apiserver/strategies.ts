import type { ResourceInfo } from '../api/resource-info.ts';
import type { ObjectSource } from '../auth/object-source.ts';
import type { Clock } from '../lib/clock.ts';
import type { ApiServerConfig } from './config.ts';
import { genericTraits } from './generic-traits.ts';
import type { Strategy } from './strategy.ts';

/** What strategies with an allocator, or with a look at other objects, are made from. */
export interface StrategyDependencies {
  readonly config: ApiServerConfig;
  readonly objects: ObjectSource;
  readonly clock: Clock;
}

/** The strategies of all resources, by `deployments.apps`. What has none of its own has the traits alone. */
export function createStrategies(_dependencies: StrategyDependencies): (resource: ResourceInfo) => Strategy {
  const own: Readonly<Record<string, Strategy>> = {};
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
