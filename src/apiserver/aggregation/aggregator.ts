import type { ObjectSource } from '../../auth/object-source.ts';
import { TaskGroup } from '../../lib/async.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Metrics } from '../../lib/metrics.ts';
import type { Dial } from '../../stream/dial.ts';
import { type Backend, BackendError } from '../backends/backend.ts';
import { BackendPool } from '../backends/backend-pool.ts';
import type { KeyPairPem } from '../config.ts';
import type { DestinationOptions } from '../destinations/destination.ts';
import { serveRemoteGroup } from '../discovery/handlers.ts';
import type { RequestContext } from '../exchange.ts';
import type { InternalObjects } from '../internal-objects.ts';
import { sendText } from '../respond.ts';
import { Availability } from './availability.ts';
import { checkApi, type Verdict } from './check-api.ts';
import { proxyApi } from './proxy-api.ts';
import { backendOf, isAvailable, type RemoteApi } from './remote-api.ts';
import { RemoteApis } from './remote-apis.ts';
import { RemoteCatalog } from './remote-catalog.ts';
import { fetchDescriptions } from './remote-documents.ts';

export interface AggregatorOptions {
  readonly objects: ObjectSource;
  readonly internal: InternalObjects;
  readonly destinations: DestinationOptions;
  readonly dial: Dial;
  /** What the API server shows to extension API servers: only then may it name users to them. */
  readonly client: KeyPairPem | undefined;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** To one extension API server at once: each watch is one. */
const maxRequests = 4096;

/** The API server's part that passes group-versions on to extension API servers, as their APIServices say. */
export class Aggregator implements AsyncDisposable {
  readonly #options: AggregatorOptions;
  readonly #pool: BackendPool;
  readonly #tasks: TaskGroup;
  readonly #apis: RemoteApis;
  readonly #availability: Availability;
  /** What others serve, for discovery and OpenAPI. */
  readonly catalog: RemoteCatalog;

  constructor(options: AggregatorOptions) {
    this.#options = options;
    this.#tasks = new TaskGroup({
      onError: (error) => options.log.error('APIService not followed any more', { error }),
    });
    this.#pool = new BackendPool({ dial: options.dial, maxRequests });
    this.#apis = new RemoteApis(options.objects, {
      changed: (name) => {
        this.catalog.changed();
        this.#availability.check(name);
      },
      statusChanged: () => this.catalog.changed(),
    });
    this.catalog = new RemoteCatalog(this.#apis);
    this.#availability = new Availability({
      ...options,
      tasks: this.#tasks,
      find: (name) => this.#find(name),
      all: () => this.#apis.all,
      check: (api, signal) =>
        checkApi(api, {
          objects: options.objects,
          pool: this.#pool,
          backendOf: (of) => this.#backendOf(of),
          signal,
        }),
      checked: (api, verdict, signal) => this.#checked(api, verdict, signal),
    });
  }

  /** Answers a request that is somebody else's; `undefined` where it is this server's own. */
  route(context: RequestContext): Promise<void> | undefined {
    if (this.#apis.size === 0) return undefined;
    const [, root, group = '', version, ...rest] = context.info.path.split('/');
    if (root === 'openapi' && group === 'v3' && version === 'apis' && rest.length === 2) {
      return this.#serve(context, this.#apis.find(rest[0] ?? '', rest[1] ?? ''));
    }
    if (root !== 'apis' || group === '') return undefined;
    if (version !== undefined && version !== '') return this.#serve(context, this.#apis.find(group, version));
    const known = this.#apis.hasGroup(group) && !this.catalog.isLocal(group);
    return known ? serveRemoteGroup(context, this.catalog, group) : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#availability[Symbol.dispose]();
    await this.#tasks[Symbol.asyncDispose]();
    this.#apis[Symbol.dispose]();
    this.#pool[Symbol.dispose]();
  }

  #serve(context: RequestContext, api: RemoteApi | undefined): Promise<void> | undefined {
    return api && this.#proxy(context, api);
  }

  async #proxy(context: RequestContext, api: RemoteApi): Promise<void> {
    const { exchange } = context;
    if (!isAvailable(api)) {
      const { reason = 'not checked yet', message = '' } = api.available ?? {};
      context.warn(`APIService ${api.name} is not available: ${reason}${message === '' ? '' : `: ${message}`}`);
      return sendText(exchange, 503, 'service unavailable\n');
    }
    if (!api.verify) context.annotate('aggregation.fairlead.dev/backend', 'unverified');
    try {
      await proxyApi(context, { backend: this.#backendOf(api), pool: this.#pool });
    } catch (error) {
      if (!(error instanceof BackendError) || exchange.responded) throw error;
      this.#options.log.warn('Extension API server not reached', { name: api.name, error });
      sendText(exchange, 503, `error trying to reach service: ${error.message}\n`);
    }
  }

  #backendOf(api: RemoteApi): Backend {
    const { destinations, client } = this.#options;
    return backendOf(api, { destinations, client });
  }

  #find(name: string): RemoteApi | undefined {
    for (const api of this.#apis.all) if (api.name === name) return api;
    return undefined;
  }

  async #checked(api: RemoteApi, { available, resources }: Verdict, signal: AbortSignal): Promise<void> {
    if (!available || !resources) return;
    let backend: Backend;
    try {
      backend = this.#backendOf(api);
    } catch (error) {
      // Gone between the check and now: the next check tells.
      this.#options.log.debug('Extension API server not asked for its descriptions', { name: api.name, error });
      return;
    }
    const before = this.catalog.documents(api);
    const documents = await fetchDescriptions(api, resources, { pool: this.#pool, backend, before, signal });
    this.catalog.learn(api, documents);
  }
}
