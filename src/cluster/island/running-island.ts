import { writeFile } from 'node:fs/promises';
import type { Node } from '../../api/kubernetes/core-v1.ts';
import type { ApiClient } from '../../client/client.ts';
import type { ClientCertificate } from '../../client/client-config.ts';
import { connectApi } from '../../client/connect.ts';
import { Informer } from '../../client/informer.ts';
import { nodes } from '../../client/resources.ts';
import { runIp } from '../../kubelet/island/ip-command.ts';
import { IslandPodNetwork } from '../../kubelet/island/island-pod-network.ts';
import type { RunningNode } from '../../kubelet/node-config.ts';
import { rejectOnAbort, TaskGroup } from '../../lib/async.ts';
import { systemClock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { runNodeAgent } from '../node-agent.ts';
import { listenForwarder } from './forwarder.ts';
import { forwardLog } from './island-log.ts';
import { describeError, type IslandEvent, type IslandStart } from './messages.ts';

const dnsPort = 53;
const serviceRetryMs = 5_000;

/** Everything that runs inside an island: the way to the API server, the node agent, the pods' network, the rules for Services. */
export class RunningIsland {
  /** The newest one that was given. */
  proxyCertificate: ClientCertificate | undefined;
  readonly #send: (event: IslandEvent) => void;
  readonly #signal: AbortSignal;

  /** @param options.signal ends the island */
  constructor(options: { send: (event: IslandEvent) => void; signal: AbortSignal }) {
    this.#send = options.send;
    this.#signal = options.signal;
  }

  /** Resolves when the island was stopped and nothing of it is left. */
  async run(start: IslandStart): Promise<void> {
    const signal = this.#signal;
    const log = forwardLog(this.#send, start.verbose);
    await using parts = new AsyncDisposableStack();
    const places = start.apiServerPlaces.map(({ host }) => host);
    const addresses = [...new Set([start.address, ...places.filter((host) => !isLoopback(host))])];
    await runIp(
      [
        ...addresses.map((address) => `addr add ${address.includes(':') ? `${address}/128` : `${address}/32`} dev lo`),
        // What the island itself sends to a Service needs some way to go before a rule can change where.
        ...start.serviceRanges.map((range) => `route add ${range} dev lo src ${start.address}`),
      ],
      { signal },
    );
    // An API server that is known by a loopback address is reached by rules for Services nevertheless.
    if (places.some(isLoopback)) await writeFile('/proc/sys/net/ipv4/conf/all/route_localnet', '1');
    for (const listen of start.apiServerPlaces) {
      parts.use(await listenForwarder({ listen, target: { path: start.gateway }, log }));
    }
    const podNetwork = new IslandPodNetwork({ directory: start.namespaceDirectory, log });
    if (start.podCidr !== undefined) await podNetwork.open(start.podCidr);
    const node = parts.use(await runAgent(start, { podNetwork, log, signal }));
    this.#send({ type: 'listening', port: node.port });
    node.ready.then(
      () => this.#send({ type: 'ready' }),
      (error: unknown) => this.#send({ type: 'failed', error: describeError(error) }),
    );
    const tasks = parts.use(new TaskGroup({ onError: (error) => log.error('A part of the island failed', { error }) }));
    tasks.run((until) =>
      this.#untilStopped('names', until, () => this.#serveNames(start, { log, signal: until }), log),
    );
    tasks.run(async (until) => {
      const given = podNetwork.cidr === undefined;
      if (given) await podNetwork.open(await findPodCidr(node.client, { name: start.name, log, signal: until }));
      const { cidr: podCidr } = podNetwork;
      const serve = () => this.#serveServices(start, { podCidr, log, signal: until });
      await this.#untilStopped('Services', until, serve, log);
    });
    await untilAborted(signal);
  }

  /** The kernel's rules for Services. Without them the API server alone is reached, at the address where the island listens in its place. */
  async #serveServices(
    start: IslandStart,
    { podCidr, log, signal }: { podCidr: string | undefined; log: Logger; signal: AbortSignal },
  ): Promise<void> {
    const { runKubeProxy } = await import('../../kube-proxy/run-kube-proxy.ts');
    await using client = this.#connect(start, 'kube-proxy/fairlead', log);
    await using _running = await runKubeProxy(
      {
        nodeName: start.name,
        mode: 'nftables',
        nodeAddresses: [start.address],
        ...(podCidr !== undefined && { localDetector: { kind: 'cidrs', cidrs: [podCidr] } }),
      },
      { client, log, signal },
    );
    await untilAborted(signal);
  }

  /** Names of Services and pods, at the node's own address. Nobody else can be asked from here. */
  async #serveNames(start: IslandStart, { log, signal }: { log: Logger; signal: AbortSignal }): Promise<void> {
    const { runClusterDns } = await import('../../dns/run-cluster-dns.ts');
    await using client = this.#connect(start, 'cluster-dns/fairlead', log);
    const listen = { host: start.address, port: dnsPort };
    await using _running = await runClusterDns({ listen, resolvers: [] }, { client, log, signal });
    await untilAborted(signal);
  }

  /** As the component that reads Services and endpoints. */
  #connect({ server, proxy }: IslandStart, userAgent: string, log: Logger): ApiClient {
    const certificate = () => this.proxyCertificate ?? proxy.certificate;
    return connectApi({ server, ca: proxy.ca, certificate, userAgent, log });
  }

  /** Does it again a while after it failed. */
  async #untilStopped(what: string, signal: AbortSignal, serve: () => Promise<void>, log: Logger): Promise<void> {
    while (!signal.aborted) {
      await serve().catch((error: unknown) => {
        if (!signal.aborted) log.error('The island cannot serve what its pods need', { what, error });
      });
      await systemClock.delay(serviceRetryMs, { signal });
    }
  }
}

function runAgent(
  start: IslandStart,
  { podNetwork, log, signal }: { podNetwork: IslandPodNetwork; log: Logger; signal: AbortSignal },
): Promise<RunningNode> {
  const { name, dataDirectory, server, address, labels, runtime, images, bootstrap, shutdownGraceMs } = start;
  return runNodeAgent(
    {
      name,
      dataDirectory,
      server,
      listen: { host: address },
      addresses: [{ type: 'InternalIP', address }],
      route: 'tunnel',
      labels,
      runtime,
      images,
      podNetwork,
      clusterDns: [address],
      apiServerAddress: 'service',
      onShutdown: 'stop-pods', // they could not outlive the island
      ...(bootstrap !== undefined && { bootstrap }),
      ...(shutdownGraceMs !== undefined && { shutdownGraceMs }),
    },
    { log, signal },
  );
}

function isLoopback(host: string): boolean {
  return host.startsWith('127.') || host === '::1' || host === 'localhost';
}

/** The range that the control plane gives this node, once it does. */
async function findPodCidr(
  client: ApiClient,
  { name, log, signal }: { name: string; log: Logger; signal: AbortSignal },
): Promise<string> {
  const found = Promise.withResolvers<string>();
  await using informer = new Informer<Node>({ client, resource: nodes, fieldSelector: `metadata.name=${name}`, log });
  informer.subscribe(({ type, object }) => {
    if (type !== 'deleted' && object.spec?.podCIDR) found.resolve(object.spec.podCIDR);
  });
  const settled = new AbortController();
  try {
    return await Promise.race([found.promise, rejectOnAbort(signal, settled.signal)]);
  } finally {
    settled.abort();
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
