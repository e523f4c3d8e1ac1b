import { randomUUID } from 'node:crypto';
import type { ResourceInfo } from '../api/resource-info.ts';
import { scheme } from '../api/scheme.ts';
import { createAuthenticator } from '../auth/authentication/create-authenticator.ts';
import { createAuthorizer } from '../auth/authorization/create-authorizer.ts';
import type { ObjectSource } from '../auth/object-source.ts';
import { ServiceAccountTokens } from '../auth/service-account-tokens.ts';
import { TaskGroup } from '../lib/async.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { Metrics, metricsContentType } from '../lib/metrics.ts';
import { parseSigningKey, parseVerificationKey } from '../pki/signing-key.ts';
import type { Store } from '../storage/store.ts';
import type { Dial } from '../stream/dial.ts';
import { createAdmission } from './admission/create-admission.ts';
import { AgentConnections, type AgentEndpoint } from './agent-connections.ts';
import { Aggregator } from './aggregation/aggregator.ts';
import { createAuditor } from './audit/auditor.ts';
import { authenticationOptions, checkAnonymous } from './authentication-options.ts';
import { type BootstrapHook, ensureClusterObjects } from './bootstrap/cluster-objects.ts';
import { KubernetesService } from './bootstrap/kubernetes-service.ts';
import { CachedObjects } from './cached-objects.ts';
import type { ApiServerConfig } from './config.ts';
import { admitConnect } from './connect-admission.ts';
import { controlPlaneAddresses } from './destinations/control-plane-addresses.ts';
import type { DestinationOptions } from './destinations/destination.ts';
import { discoveryHandlers } from './discovery/handlers.ts';
import { shareEventLeases } from './event-leases.ts';
import { healthHandlers } from './health.ts';
import { healthChecks } from './health-checks.ts';
import { listenHttps } from './https-listener.ts';
import { InFlight } from './in-flight.ts';
import { indexHandler } from './index-handler.ts';
import { InternalObjects } from './internal-objects.ts';
import { LongRunning } from './long-running.ts';
import { connectHandlers } from './node-streams/connect-handlers.ts';
import { oidcDiscoveryHandlers } from './oidc-discovery.ts';
import { OpenApi } from './openapi/handler.ts';
import { Pipeline } from './pipeline.ts';
import { RequestMetrics } from './request-metrics.ts';
import { toApiError } from './respond.ts';
import type { ConnectHandler } from './review.ts';
import { reviewHandlers } from './review-handlers.ts';
import { Router } from './router.ts';
import { ServedResource } from './served-resource.ts';
import { registerServerMetrics } from './server-metrics.ts';
import type { ApiServices } from './services.ts';
import { StoreFeed } from './store-feed.ts';
import { createStrategies } from './strategies.ts';
import { bindingHandlers } from './subresources/binding.ts';
import { evictionHandlers } from './subresources/eviction.ts';
import { scaleHandlers } from './subresources/scale.ts';
import { versionHandler } from './version-info.ts';
import { openWebhooks } from './webhooks/open-webhooks.ts';

/** How often the `kubernetes` Service and its endpoints are put right. */
const reconcileIntervalMs = 10_000;
/** How long a shutdown waits for streams to notice that their connections have ended. */
const streamEndMs = 1000;

export interface ApiServerDependencies {
  readonly store: Store;
  readonly log: Logger;
  /** How nodes are reached. Without it, what needs a node answers 503. */
  readonly dial?: Dial;
  /** A tunnel server that takes its agents from this port. */
  readonly agents?: AgentEndpoint;
  /** Further paths that this port serves, with their handlers; who may use them is the authorizer's to say. */
  readonly paths?: ReadonlyMap<string, ConnectHandler>;
  readonly clock?: Clock;
  readonly metrics?: Metrics;
}

/** A running API server. Disposal ends watches properly, lets other requests finish and closes the port; the store stays open. */
export interface ApiServer extends AsyncDisposable {
  /** `https://host:port`, as clients on this machine reach it. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly objects: ObjectSource;
  /** By which rules it decides what address of a node, pod or Service it dials. */
  readonly destinations: DestinationOptions;
  /** Resolves when `/readyz` succeeds: what every cluster has, such as its namespaces and roles, is there. */
  readonly ready: Promise<void>;
}

/** Starts an API server: it takes requests when the promise resolves. @throws {ConfigError} */
export async function listenApi(config: ApiServerConfig, dependencies: ApiServerDependencies): Promise<ApiServer> {
  const { store, log, clock = systemClock, metrics = new Metrics() } = dependencies;
  await using parts = new AsyncDisposableStack();
  const modes = config.authorizationModes ?? ['Node', 'RBAC'];
  checkAnonymous(config);

  const served = scheme.resources.filter(({ verbs }) => verbs.includes('list'));
  const stored = [...new Set(served.map(({ group, resource }) => scheme.storage(group, resource)))];
  const feed = parts.use(
    await StoreFeed.open({
      store,
      resources: stored,
      bounds: {
        windowMs: config.watch?.windowMs ?? 75_000,
        minEvents: config.watch?.minWindowEvents ?? 100,
        maxEvents: config.watch?.maxWindowEvents ?? 100_000,
        maxBytes: config.watch?.maxWindowBytes ?? 64 * 1024 * 1024,
      },
      bookmarkIntervalMs: config.watch?.bookmarkIntervalMs ?? 60_000,
      clock,
      log,
    }),
  );
  const objects = new CachedObjects(feed);
  const strategyOf = createStrategies({ config, objects, clock, metrics });
  const resources = new Map<ResourceInfo, ServedResource>();
  const overflows = metrics.counter({
    name: 'apiserver_terminated_watchers_total',
    help: 'Counter of watchers closed due to unresponsiveness.',
    labels: ['group', 'resource'],
  });
  const base: ApiServices = {
    store,
    feed,
    objects,
    admission: [],
    clock,
    log,
    eventLeases: shareEventLeases(store, { ttlSeconds: config.eventTtlSeconds ?? 3600, clock }),
    resource(info) {
      let resource = resources.get(info);
      if (!resource) {
        const storage = scheme.storage(info.group, info.resource);
        resource = new ServedResource({ info, storage, cache: feed.cache(storage), strategy: strategyOf(storage) });
        resources.set(info, resource);
      }
      return resource;
    },
    watch: {
      maxQueueBytes: config.watch?.maxWatcherQueueBytes ?? 8 * 1024 * 1024,
      minTimeoutSeconds: config.minRequestTimeoutSeconds ?? 1800,
      onOverflow: ({ group, resource }) => overflows.inc({ group, resource }),
    },
  };
  /** Past admission: what the server itself writes. */
  const internal = new InternalObjects(base);

  const { serviceAccounts } = config;
  const tokens = new ServiceAccountTokens({
    issuers: serviceAccounts.issuers,
    signingKey: parseSigningKey(serviceAccounts.signingKeyPem),
    verificationKeys: (serviceAccounts.verificationKeysPem ?? []).map(parseVerificationKey),
    ...(serviceAccounts.apiAudiences && { apiAudiences: serviceAccounts.apiAudiences }),
    clock,
  });
  const authorizer = parts.use(createAuthorizer({ modes, objects }));
  const refreshObjects = async () => feed.reachNewest();
  const authenticator = createAuthenticator({
    ...authenticationOptions(config),
    loopbackToken: randomUUID(),
    serviceAccountTokens: tokens,
    objects,
    refreshObjects,
    clock,
  });
  const ownAddresses = [config.host, ...(config.advertiseAddress ? [config.advertiseAddress] : [])];
  /** Where Services, and what is behind them, may be reached. */
  const destinations = { objects, reserved: controlPlaneAddresses(() => ownAddresses) };
  const dial = dependencies.dial ?? noDial;
  const webhooks = parts.use(openWebhooks({ objects, destinations, dial, metrics, log }));
  const { plugins } = createAdmission({
    webhooks,
    objects,
    live: internal,
    authorizer,
    clock,
    ...(config.enableAdmissionPlugins && { enable: config.enableAdmissionPlugins }),
    ...(config.disableAdmissionPlugins && { disable: config.disableAdmissionPlugins }),
  });
  const services: ApiServices = { ...base, admission: plugins };

  const state = { finished: new Set<BootstrapHook>(), stopping: false };
  const inFlight = new InFlight({
    reads: config.maxRequestsInflight ?? 400,
    writes: config.maxMutatingRequestsInflight ?? 200,
  });
  let address = '';
  const client = config.proxyClient;
  const aggregator = parts.use(new Aggregator({ objects, internal, destinations, dial, client, clock, metrics, log }));
  const openApi = new OpenApi(aggregator.catalog);
  const requestMetrics = new RequestMetrics();
  const paths: ReadonlyMap<string, ConnectHandler> = new Map<string, ConnectHandler>([
    ['/', indexHandler(() => paths.keys())],
    ...discoveryHandlers(scheme, () => address, aggregator.catalog),
    ...healthHandlers(healthChecks({ feed, store, state })),
    ['/version', versionHandler],
    ['/version/', versionHandler],
    ['/metrics', metricsHandler(metrics, requestMetrics)],
    ['/openapi/', ({ exchange }) => openApi.serve(exchange)],
    ...(dependencies.paths ?? []),
    ...oidcDiscoveryHandlers({
      issuer: tokens.issuer,
      jwksUri: serviceAccounts.jwksUri ?? `${tokens.issuer}/openid/v1/jwks`,
      keys: tokens.keys,
    }),
  ]);
  const auditor = parts.use(await createAuditor(config.audit ?? {}, { log, metrics, clock }));
  const connects = parts.use(
    connectHandlers({
      config,
      dial: dependencies.dial,
      objects,
      authorizer,
      admit: (context, query) => admitConnect(plugins, context, query),
      auditor,
      metrics,
      now: () => clock.now(),
      reserved: destinations.reserved,
      log,
    }),
  );
  const router = new Router({
    scheme,
    services,
    paths,
    reviews: reviewHandlers({ authenticator, authorizer, tokens, objects, refreshObjects, clock, serviceAccounts }),
    connects: connects.handlers,
    subresources: new Map([
      ['scale', scaleHandlers],
      ['bindings', bindingHandlers],
      ['pods/binding', bindingHandlers],
      ['pods/eviction', evictionHandlers],
    ]),
  });
  const longRunning = new LongRunning();
  const pipeline = new Pipeline({
    authenticator,
    authorizer,
    auditor,
    inFlight,
    longRunning,
    requestMetrics,
    isKnown: ({ group, version, resource }) => scheme.find(group, version, resource) !== undefined,
    clock,
    requestTimeoutMs: config.requestTimeoutMs ?? 60_000,
    route: (context) => aggregator.route(context) ?? router.route(context),
    log,
  });

  const listener = parts.use(
    await listenHttps({
      host: config.host,
      port: config.port,
      serving: config.serving,
      clientCaPems: [config.clientCaPem, config.frontProxy?.clientCaPem].filter((pem) => pem !== undefined),
      log,
      handle: (exchange) => pipeline.handle(exchange),
      agents:
        dependencies.agents && new AgentConnections({ endpoint: dependencies.agents, authenticator, authorizer, log }),
      refuse: (error) => {
        const refusal = toApiError(error);
        return { status: refusal.code, body: JSON.stringify(refusal.status) };
      },
    }),
  );
  const { port } = listener.address;
  const host = reachableHost(config.host);
  address = `${host}:${port}`;

  registerServerMetrics(metrics, { feed, inFlight, longRunning, connections: () => listener.connections });
  const advertised = {
    address: config.advertiseAddress ?? listener.address.address,
    port,
    serviceClusterIpRange: config.serviceClusterIpRange ?? '10.96.0.0/12',
  };
  const tasks = parts.use(new TaskGroup({ onError: (error) => log.error('Background task failed', { error }) }));
  const kubernetesService = new KubernetesService(internal, { advertised, store });
  const ready = ensureClusterObjects(internal, {
    config,
    kubernetesService,
    finished: (hook) => state.finished.add(hook),
  });
  ready.catch((error: unknown) => log.error('API server cannot become ready', { error }));
  tasks.run(async (signal) => {
    await ready;
    for (;;) {
      await clock.delay(reconcileIntervalMs, { signal });
      await kubernetesService
        .reconcile()
        .catch((error: unknown) => log.warn('Endpoints of the kubernetes Service not brought up to date', { error }));
    }
  });

  const owned = parts.move();
  let ended: Promise<void> | undefined;
  const end = async () => {
    state.stopping = true;
    // First of all, so that nobody new is sent here while the rest goes on.
    await tasks[Symbol.asyncDispose]();
    await kubernetesService.leave().catch((error: unknown) => log.warn('Endpoint not taken back', { error }));
    await clock.delay(config.shutdownDelayMs ?? 0);
    listener.stopAccepting();
    feed.endWatches();
    await Promise.race([pipeline.drained(), clock.delay(config.shutdownTimeoutMs ?? 60_000)]);
    await listener[Symbol.asyncDispose]();
    await Promise.race([pipeline.ended(), clock.delay(streamEndMs)]); // streams have just lost their connections
    await ready.catch(() => {}); // reported above
    await owned.disposeAsync();
  };
  return {
    url: `https://${address}`,
    host,
    port,
    objects,
    destinations,
    ready,
    [Symbol.asyncDispose]: () => {
      ended ??= end();
      return ended;
    },
  };
}

/** Of a server that was given no way out. */
const noDial: Dial = ({ host, port }) => Promise.reject(new Error(`this server dials nothing, so not ${host}:${port}`));

function metricsHandler(metrics: Metrics, requestMetrics: RequestMetrics): ConnectHandler {
  return async ({ exchange }) => {
    exchange.respond(200, { 'content-type': metricsContentType }, (await metrics.render()) + requestMetrics.render());
  };
}

/** The wildcard is no address that one can connect to. */
function reachableHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}
