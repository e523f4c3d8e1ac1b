import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { SubjectAccessReview } from '../api/kubernetes/authorization-v1.ts';
import type { Pod, Service } from '../api/kubernetes/core-v1.ts';
import { bearerTokenAuthenticator } from '../auth/authentication/bearer-token.ts';
import { clientCertificateAuthenticator } from '../auth/authentication/client-certificate.ts';
import { tokenReviewAuthenticator } from '../auth/authentication/token-review.ts';
import { connectApi } from '../client/connect.ts';
import { EventRecorder } from '../client/event-recorder.ts';
import { Informer } from '../client/informer.ts';
import { pods, services, subjectAccessReviews, tokenReviews } from '../client/resources.ts';
import { TaskGroup } from '../lib/async.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { ConfigError } from '../lib/config-error.ts';
import type { Logger } from '../lib/log.ts';
import { Metrics } from '../lib/metrics.ts';
import { parseCertificates } from '../pki/certificate.ts';
import { KubeletAuthorizer } from './endpoints/authorization.ts';
import { listenHealth } from './endpoints/health-server.ts';
import type { KubeletApi } from './endpoints/kubelet-api.ts';
import { listenKubelet } from './endpoints/kubelet-server.ts';
import { createUsageRates } from './endpoints/usage-rates.ts';
import { LoopbackPodNetwork, loopbackRangeOf } from './loopback-pod-network.ts';
import { type ClusterAddress, joinCluster, keepServer, readBootstrap, readCluster } from './node/join.ts';
import { keepLease } from './node/lease.ts';
import { findAddresses } from './node/node-addresses.ts';
import { NodeCertificate } from './node/node-certificate.ts';
import type { NodeFacts } from './node/node-object.ts';
import { NodeRegistration } from './node/node-registration.ts';
import type { NodeConfig, NodeTunnel, RunningNode } from './node-config.ts';
import { PodManager } from './pods/pod-manager.ts';
import { ApiPodResources } from './pods/pod-resources.ts';
import type { PodServices } from './pods/pod-services.ts';
import { openRuntimes } from './runtime-set.ts';

export interface RunNodeOptions {
  readonly log: Logger;
  /** Bounds the start: joining, listening. Disposal ends the node. */
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}

const maxJoinRetryMs = 5_000;
const goodbyeMs = 2_000;
/** How long a node waits for its tunnel before it registers without. */
const tunnelHeadStartMs = 2_000;

/**
 * Runs a node agent: joins the cluster where it has not yet, registers the Node, runs its pods and serves the kubelet API.
 * Returns once it listens; `ready` tells when the node is.
 * @throws {ConfigError} for what cannot work, {ApiError} when the API server refuses the node
 */
export async function runNode(config: NodeConfig, options: RunNodeOptions): Promise<RunningNode> {
  const { signal, clock = systemClock } = options;
  const log = options.log.with({ component: 'kubelet', node: config.name });
  if (!/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(config.name)) {
    throw new ConfigError(
      `The node name ${JSON.stringify(config.name)} is no DNS name: use lower-case letters, digits, - and .`,
    );
  }
  await using stack = new AsyncDisposableStack();
  await mkdir(config.dataDirectory, { recursive: true, mode: 0o700 });
  const directory = join(config.dataDirectory, 'pki');
  const clientCertificate = new NodeCertificate({ nodeName: config.name, purpose: 'client', directory, clock, log });
  const servingCertificate = new NodeCertificate({ nodeName: config.name, purpose: 'server', directory, clock, log });
  await Promise.all([clientCertificate.load(), servingCertificate.load()]);
  const cluster = await findCluster(config, clientCertificate, { log, clock, signal });
  const client = connectApi({
    ...cluster,
    certificate: () => clientCertificate.current,
    userAgent: 'kubelet/fairlead',
    log,
  });
  stack.defer(() => client[Symbol.asyncDispose]());
  const runtimes = await openRuntimes(config, log);
  stack.defer(async () => void (await Promise.all(runtimes.all.map((runtime) => runtime[Symbol.asyncDispose]()))));

  const host = config.listen?.host ?? '127.0.0.1';
  const addresses = config.addresses ?? (await findAddresses(config.name, host));
  const hostIp = addresses.find(({ type }) => type === 'InternalIP')?.address ?? host;
  const metrics = new Metrics();
  const events = new EventRecorder({ client, component: 'kubelet', host: config.name, clock, log });
  stack.defer(() => events[Symbol.asyncDispose]());
  const serviceInformer =
    runtimes.main.name === 'fairlead-simulated'
      ? undefined
      : new Informer<Service>({ client, resource: services, log });
  if (serviceInformer) stack.defer(() => serviceInformer[Symbol.asyncDispose]());
  const podServices: PodServices = {
    client,
    nodeName: config.name,
    hostIp,
    dataDirectory: config.dataDirectory,
    network: config.podNetwork ?? new LoopbackPodNetwork(loopbackRangeOf(config.dataDirectory)),
    ...(config.clusterDns && { clusterDns: config.clusterDns }),
    resources: new ApiPodResources(client, { services: () => [...(serviceInformer?.values() ?? [])], clock }),
    apiServer: apiServerOf(config, cluster),
    clock,
    log,
    runtimeFor: (pod) => runtimes.runtimeFor(pod),
    record: (pod, event) => events.record({ kind: 'Pod', apiVersion: 'v1', ...pod }, event),
    probed: countProbes(metrics),
  };
  const manager = new PodManager(podServices, runtimes.all);
  let leaving: string | undefined;
  const startedAtMs = clock.now();
  const api: KubeletApi = {
    nodeName: config.name,
    manager,
    runtimes: runtimes.all,
    metrics,
    log,
    dataDirectory: config.dataDirectory,
    startedAtMs,
    configuration: describeConfiguration(config, host),
    healthChecks: {
      ping: () => undefined,
      log: () => undefined,
      syncloop: () => (leaving ? new Error(leaving) : undefined),
    },
    usage: createUsageRates(),
  };
  const authorities = parseCertificates(config.clientCa ?? cluster.ca);
  const tokens = tokenReviewAuthenticator({ post: (review, call) => client.create(tokenReviews, review, call), clock });
  const server = await listenKubelet({
    host,
    port: config.listen?.port ?? 10250,
    authenticators: [
      clientCertificateAuthenticator({ authorities: () => authorities, clock }),
      bearerTokenAuthenticator({ authenticators: [tokens], apiAudiences: [] }),
    ],
    authorizer: new KubeletAuthorizer({
      nodeName: config.name,
      post: (review, call) => client.create<SubjectAccessReview>(subjectAccessReviews, review, call),
      clock,
    }),
    api,
    log,
  });
  stack.defer(() => server[Symbol.asyncDispose]());
  if (config.healthPort !== undefined) stack.use(await listenHealth(api.healthChecks, config.healthPort));

  const facts = (): NodeFacts => ({
    name: config.name,
    addresses,
    port: server.port,
    labels: config.labels ?? {},
    annotations: runtimes.main.annotations,
    taints: config.taints ?? [],
    podRange: podServices.network.cidr,
    maxPods: config.maxPods ?? 110,
    capacity: config.capacity ?? {},
    containerRuntimeVersion: `${runtimes.main.name}://${runtimes.main.version}`,
    runtimeHandlers: runtimes.handlers,
    dataDirectory: config.dataDirectory,
    notReady: leaving ?? tunnel?.notReady(),
  });
  const registration = new NodeRegistration(client, { facts, clock, log });
  const reachable = Promise.withResolvers<void>();
  let tunnel: NodeTunnel | undefined;
  tunnel = config.openTunnel?.({
    nodeName: config.name,
    addresses,
    ...cluster,
    certificate: () => clientCertificate.current,
    onChange: () => {
      if (tunnel?.notReady() === undefined) reachable.resolve();
      registration.wake();
    },
    log: options.log.with({ component: 'tunnel-agent', node: config.name }),
    metrics,
  });
  if (tunnel) stack.use(tunnel);
  else reachable.resolve();
  const serving = Promise.withResolvers<void>();
  const show = () => {
    if (!servingCertificate.current) return;
    server.setCertificate(servingCertificate.current);
    serving.resolve();
  };
  if (servingCertificate.valid) show();

  const tasks = new TaskGroup({ onError: (error) => log.error('Node task failed', { error }) });
  stack.defer(() => tasks[Symbol.asyncDispose]());
  const registered = Promise.withResolvers<void>();
  registered.promise.catch(() => {}); // `ready` reports it
  let podInformer: Informer<Pod> | undefined;
  tasks.run(async (running) => {
    // A tunnel is there in a moment, and then the Node is Ready from the start; one that is not is told by its status.
    if (tunnel) await Promise.race([reachable.promise, clock.delay(tunnelHeadStartMs, { signal: running })]);
    await registration.register(running).catch((error: unknown) => {
      registered.reject(error);
      throw error;
    });
    tasks.run((until) => registration.keep(until));
    const nodeUid = () => registration.node?.metadata?.uid;
    tasks.run((until) => keepLease(client, { nodeName: config.name, nodeUid, clock, log, signal: until }));
    tasks.run((until) => clientCertificate.keep(client, { signal: until, changed: () => client.rotate() }));
    tasks.run((until) => servingCertificate.keep(client, { signal: until, changed: show }));
    await serviceInformer?.synced;
    podInformer = new Informer<Pod>({ client, resource: pods, fieldSelector: `spec.nodeName=${config.name}`, log });
    podInformer.subscribe((change) => manager.apply(change));
    await podInformer.synced;
    await manager.removeOrphans(runtimes.all);
    registered.resolve();
  });
  const ready = Promise.all([registered.promise, serving.promise, reachable.promise]).then(() => {});
  ready.catch(() => {}); // nobody has to await it

  const ending = stack.move();
  const { onShutdown = 'leave-pods', shutdownGraceMs = 5_000 } = config;
  let ended: Promise<void> | undefined;
  const end = async () => {
    leaving = 'node is shutting down';
    await podInformer?.[Symbol.asyncDispose]();
    const workers = manager.workers();
    await manager[Symbol.asyncDispose]();
    const goodbye = registration.node
      ? registration.report({ force: true, signal: AbortSignal.timeout(goodbyeMs) }).catch(() => {}) // the API server may be gone
      : undefined;
    if (onShutdown === 'stop-pods') await Promise.all(workers.map((worker) => worker.stopContainers(shutdownGraceMs)));
    await goodbye;
    await ending.disposeAsync();
  };
  return {
    name: config.name,
    port: server.port,
    ready,
    client,
    [Symbol.asyncDispose]: () => {
      ended ??= end();
      return ended;
    },
  };
}

async function findCluster(
  config: NodeConfig,
  certificate: NodeCertificate,
  { log, clock, signal }: { log: Logger; clock: Clock; signal: AbortSignal },
): Promise<ClusterAddress> {
  const { dataDirectory, name } = config;
  const known = await readCluster(dataDirectory);
  if (known && certificate.valid) return keepServer(dataDirectory, known, config.server);
  if (config.bootstrap === undefined) {
    throw new ConfigError(
      `The node ${name} has no valid credentials in ${dataDirectory}: join it with a join string or a bootstrap token`,
    );
  }
  const bootstrap = readBootstrap(config.bootstrap);
  for (let retryMs = 200; ; retryMs = Math.min(maxJoinRetryMs, retryMs * 2)) {
    try {
      return await joinCluster(bootstrap, { dataDirectory, certificate, signal });
    } catch (error) {
      // An API server that is not up yet is waited for; a refusal is not.
      if (!(error instanceof Error) || error.name !== 'ConnectionError' || signal.aborted) throw error;
      log.warn('Cannot reach the API server to join', { error });
      await clock.delay(retryMs, { signal });
    }
  }
}

function apiServerOf({ apiServerAddress }: NodeConfig, { server }: ClusterAddress): PodServices['apiServer'] {
  if (apiServerAddress === 'service') return undefined;
  if (apiServerAddress) return apiServerAddress;
  const { hostname, port } = new URL(server);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 443) };
}

function countProbes(metrics: Metrics): PodServices['probed'] {
  const counter = metrics.counter({
    name: 'prober_probe_total',
    help: 'Cumulative number of a liveness, readiness or startup probe for a container by result.',
    labels: ['container', 'namespace', 'pod', 'probe_type', 'result'],
  });
  return ({ metadata }, container, kind, success) => {
    const probeType = { startup: 'Startup', liveness: 'Liveness', readiness: 'Readiness' }[kind];
    const { namespace = '', name = '' } = metadata ?? {};
    counter.inc({ container, namespace, pod: name, probe_type: probeType, result: success ? 'successful' : 'failed' });
  };
}

/** The part of upstream's `KubeletConfiguration` that is true here. */
function describeConfiguration(config: NodeConfig, address: string): Record<string, unknown> {
  return {
    kind: 'KubeletConfiguration',
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    address,
    port: config.listen?.port ?? 10250,
    authentication: { anonymous: { enabled: false }, webhook: { enabled: true, cacheTTL: '2m0s' } },
    authorization: { mode: 'Webhook', webhook: { cacheAuthorizedTTL: '5m0s', cacheUnauthorizedTTL: '30s' } },
    rotateCertificates: true,
    serverTLSBootstrap: true,
    readOnlyPort: 0,
    healthzPort: config.healthPort ?? 0,
    maxPods: config.maxPods ?? 110,
    nodeStatusUpdateFrequency: '10s',
    nodeStatusReportFrequency: '5m0s',
    nodeLeaseDurationSeconds: 40,
    containerLogMaxSize: '10Mi',
    containerLogMaxFiles: 5,
  };
}
