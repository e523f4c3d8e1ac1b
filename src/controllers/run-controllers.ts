import type { ApiClient } from '../client/client.ts';
import { EventRecorder } from '../client/event-recorder.ts';
import { systemClock } from '../lib/clock.ts';
import { silentLogger } from '../lib/log.ts';
import { Metrics } from '../lib/metrics.ts';
import { builtInControllers } from './built-in-controllers.ts';
import type { StartController } from './controller.ts';
import {
  type ControllerIdentity,
  type ControllerName,
  controllerIdentities,
  managerIdentity,
} from './controller-identities.ts';
import type { ControllersOptions } from './controllers-options.ts';
import { SharedInformers } from './shared-informers.ts';

export interface RunningControllers extends AsyncDisposable {
  /** Resolves when all informers are complete. */
  readonly ready: Promise<void>;
}

/** Starts the controllers: clients of the API server like any other, each with its own identity. */
export function runControllers(options: ControllersOptions): RunningControllers {
  const { connect, clock = systemClock, log = silentLogger, metrics = new Metrics() } = options;
  const clients = new Map<string, ApiClient>();
  const clientOf = (identity: ControllerIdentity): ApiClient => {
    const known = clients.get(identity.commonName);
    if (known) return known;
    const client = connect(identity);
    clients.set(identity.commonName, client);
    return client;
  };
  const informers = new SharedInformers({ client: clientOf(managerIdentity), log });
  const running: AsyncDisposable[] = [];
  const starters = builtInControllers(options);
  for (const [name, start] of Object.entries(starters) as [ControllerName, StartController][]) {
    if (options.controllers && !options.controllers.includes(name)) continue;
    const identity = controllerIdentities[name];
    const client = clientOf(identity);
    const ownLog = log.with({ controller: name });
    const component = identity.commonName.slice(identity.commonName.lastIndexOf(':') + 1);
    const events = new EventRecorder({ client, component, clock, log: ownLog });
    running.push(events, start({ name, client, informers, events, clock, log: ownLog, metrics }));
  }
  return {
    ready: informers.synced(),
    async [Symbol.asyncDispose]() {
      await Promise.all(running.map((controller) => controller[Symbol.asyncDispose]()));
      await informers[Symbol.asyncDispose]();
      await Promise.all([...clients.values()].map((client) => client[Symbol.asyncDispose]()));
    },
  };
}
