import type { Node, Service } from '../api/kubernetes/core-v1.ts';
import type { EndpointSlice } from '../api/kubernetes/discovery-v1.ts';
import type { ServiceCIDR } from '../api/kubernetes/networking-v1.ts';
import type { ApiClient, ResourceRef } from '../client/client.ts';
import { Informer } from '../client/informer.ts';
import { keyOf } from '../client/object-index.ts';
import { endpointSlices, nodes, services } from '../client/resources.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { type PortState, type ProxyState, portStatesOf } from './proxy-state.ts';

const serviceNameLabel = 'kubernetes.io/service-name';
const zoneLabel = 'topology.kubernetes.io/zone';
const serviceCidrResource: ResourceRef = { group: 'networking.k8s.io', version: 'v1', resource: 'servicecidrs' };

const retryMs = 5_000;

export interface ClusterFeedOptions {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly log: Logger;
  readonly nodeName: string;
  readonly nodeAddresses?: readonly string[];
  readonly serviceCidrs?: readonly string[];
  /** Called for each change; `all` if it may concern every Service. */
  readonly onChange: (change: { kind: 'service' | 'endpoints'; key: string } | { kind: 'all' }) => void;
}

/** Follows Services, EndpointSlices and the own Node. */
export class ClusterFeed implements ProxyState, AsyncDisposable {
  /** Resolves when Services and EndpointSlices are complete: before that nothing may be written. */
  readonly synced: Promise<void>;
  readonly #options: ClusterFeedOptions;
  readonly #services: Informer<Service>;
  readonly #slices: Informer<EndpointSlice>;
  readonly #node: Informer<Node>;
  #serviceCidrs: Informer<ServiceCIDR> | undefined;

  constructor(options: ClusterFeedOptions) {
    const { client, log, nodeName, onChange } = options;
    this.#options = options;
    this.#services = new Informer<Service>({
      client,
      log,
      resource: services,
      labelSelector: '!service.kubernetes.io/service-proxy-name',
    });
    this.#slices = new Informer<EndpointSlice>({
      client,
      log,
      resource: endpointSlices,
      labelSelector: '!service.kubernetes.io/headless,!service.kubernetes.io/service-proxy-name',
      indexers: { service: (slice) => [sliceService(slice)] },
    });
    this.#node = new Informer<Node>({ client, log, resource: nodes, fieldSelector: `metadata.name=${nodeName}` });
    this.synced = Promise.all([this.#services.synced, this.#slices.synced]).then(() => {});
    this.synced.catch(() => {}); // Nobody has to await it.
    this.#services.subscribe((change) => onChange({ kind: 'service', key: keyOf(change.object) }));
    this.#slices.subscribe((change) => onChange({ kind: 'endpoints', key: sliceService(change.object) }));
    this.#node.subscribe((change) => {
      if (change.type !== 'updated' || concernsProxy(change.previous) !== concernsProxy(change.object)) {
        onChange({ kind: 'all' });
      }
    });
  }

  /** Follows the ranges of Service addresses where the API server has them and lets us; asked until it answers. */
  async followServiceCidrs(signal: AbortSignal): Promise<void> {
    if (this.#options.serviceCidrs) return;
    const { client, log, onChange } = this.#options;
    const path = `/apis/${serviceCidrResource.group}/${serviceCidrResource.version}/servicecidrs?limit=1`;
    for (;;) {
      try {
        const { status } = await client.request({ method: 'GET', path }, { signal });
        if (status === 403 || status === 404) return;
        if (status === 200) break;
      } catch (error) {
        if (signal.aborted) return;
        log.debug('The ranges of Service addresses are not known yet', { error });
      }
      await this.#options.clock.delay(retryMs, { signal });
    }
    if (signal.aborted) return;
    this.#serviceCidrs = new Informer<ServiceCIDR>({ client, log, resource: serviceCidrResource });
    this.#serviceCidrs.subscribe(() => onChange({ kind: 'all' }));
  }

  get node(): Node | undefined {
    return this.#node.get(this.#options.nodeName);
  }

  get nodeAddresses(): readonly string[] {
    if (this.#options.nodeAddresses) return this.#options.nodeAddresses;
    const addresses = this.node?.status?.addresses ?? [];
    return addresses.filter(({ type }) => type === 'InternalIP').map(({ address }) => address);
  }

  get serviceCidrs(): readonly string[] {
    if (this.#options.serviceCidrs) return this.#options.serviceCidrs;
    return [...(this.#serviceCidrs?.values() ?? [])].flatMap(({ spec }) => spec?.cidrs ?? []);
  }

  serviceKeys(): Iterable<string> {
    return [...this.#services.values()].map(keyOf);
  }

  service(key: string): Service | undefined {
    return this.#services.get(key);
  }

  portsOf(key: string): readonly PortState[] {
    const location = { nodeName: this.#options.nodeName, zone: this.node?.metadata?.labels?.[zoneLabel] };
    return portStatesOf(this.#services.get(key), { slices: this.#slices.byIndex('service', key), location });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const informers = [this.#services, this.#slices, this.#node, this.#serviceCidrs];
    await Promise.all(informers.map((informer) => informer?.[Symbol.asyncDispose]()));
  }
}

function sliceService({ metadata }: EndpointSlice): string {
  return `${metadata?.namespace ?? ''}/${metadata?.labels?.[serviceNameLabel] ?? ''}`;
}

/** What of a Node changes rules: it is updated every few seconds, its rules are not. */
function concernsProxy(node: Node): string {
  return JSON.stringify([node.metadata?.labels?.[zoneLabel], node.status?.addresses, node.spec?.podCIDRs]);
}
