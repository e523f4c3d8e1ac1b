import { isIPv4, isIPv6 } from 'node:net';
import type { Service } from '../api/kubernetes/core-v1.ts';
import type { EndpointSlice } from '../api/kubernetes/discovery-v1.ts';
import type { ApiClient } from '../client/client.ts';
import { Informer } from '../client/informer.ts';
import { endpointSlices, services } from '../client/resources.ts';
import type { Logger } from '../lib/log.ts';
import { type DnsQuestion, type DnsRecord, dnsTypes, parseIpv6 } from '../wire/dns-message.ts';

/** What is known of a name of the cluster. */
export type ZoneAnswer =
  | { readonly kind: 'records'; readonly answers: readonly DnsRecord[]; readonly additional?: readonly DnsRecord[] }
  /** The name is another's. */
  | { readonly kind: 'alias'; readonly target: string; readonly ttl: number }
  /** In the zone, and there is no such name. */
  | { readonly kind: 'missing' }
  /** In the zone, and Services are not known yet. */
  | { readonly kind: 'unknown' }
  /** Somebody else's business. */
  | { readonly kind: 'foreign' };

export interface ClusterZoneOptions {
  readonly client: ApiClient;
  readonly log: Logger;
  /** `cluster.local` */
  readonly domain: string;
  readonly ttlSeconds: number;
}

/** One address behind a headless Service, with the ports that it serves. */
interface Member {
  readonly address: string;
  readonly hostname: string;
  readonly ports: readonly { readonly name: string; readonly protocol: string; readonly port: number }[];
}

const specificationVersion = '1.1.0';

/** Names of Services and pods, after the specification "Kubernetes DNS-Based Service Discovery". */
export class ClusterZone implements AsyncDisposable {
  readonly synced: Promise<void>;
  readonly domain: string;
  readonly #ttl: number;
  readonly #services: Informer<Service>;
  readonly #slices: Informer<EndpointSlice>;

  constructor({ client, log, domain, ttlSeconds }: ClusterZoneOptions) {
    this.domain = domain;
    this.#ttl = ttlSeconds;
    this.#services = new Informer<Service>({
      client,
      log,
      resource: services,
      indexers: { address: addressesOf, namespace: ({ metadata }) => [metadata?.namespace ?? ''] },
    });
    this.#slices = new Informer<EndpointSlice>({
      client,
      log,
      resource: endpointSlices,
      indexers: {
        service: (slice) => [serviceKeyOf(slice)],
        address: ({ endpoints = [] }) =>
          (endpoints ?? []).flatMap(({ addresses, hostname }) => (hostname ? addresses : [])),
      },
    });
    this.synced = Promise.all([this.#services.synced, this.#slices.synced]).then(() => {});
    this.synced.catch(() => {}); // Nobody has to await it.
  }

  answer({ name, type }: DnsQuestion): ZoneAnswer {
    if (name === this.domain) return { kind: 'records', answers: [] };
    if (name.endsWith(`.${this.domain}`)) {
      if (!this.#services.hasSynced || !this.#slices.hasSynced) return { kind: 'unknown' };
      const labels = name.slice(0, -this.domain.length - 1).split('.');
      return this.#inZone(name, labels.reverse(), type);
    }
    return this.#reverse(name, type);
  }

  /** Of negative answers: how long they may be remembered. */
  get authority(): DnsRecord {
    const { domain } = this;
    const minimum = this.#ttl;
    return {
      type: 'SOA',
      name: domain,
      ttl: minimum,
      primary: `ns.dns.${domain}`,
      mailbox: `hostmaster.${domain}`,
      serial: 1,
      minimum,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#services[Symbol.asyncDispose](), this.#slices[Symbol.asyncDispose]()]);
  }

  /** `labels` from the right: `['svc', 'default', 'web', …]`. */
  #inZone(name: string, labels: readonly string[], type: number): ZoneAnswer {
    const [kind, namespace, first, ...rest] = labels;
    if (kind === 'dns-version' && namespace === undefined) {
      return this.#records(type, [{ type: 'TXT', name, ttl: this.#ttl, text: specificationVersion }]);
    }
    if (kind !== 'svc' && kind !== 'pod') return { kind: 'missing' };
    if (namespace === undefined) return { kind: 'records', answers: [] };
    if (kind === 'pod') return this.#pod(name, first, type);
    if (first === undefined) {
      return this.#services.byIndex('namespace', namespace).length > 0
        ? { kind: 'records', answers: [] }
        : { kind: 'missing' };
    }
    const service = this.#services.get(`${namespace}/${first}`);
    if (!service) return { kind: 'missing' };
    return this.#service(service, name, { rest, type });
  }

  /** `10-244-0-5.default.pod`: the address is the name. */
  #pod(name: string, dashed: string | undefined, type: number): ZoneAnswer {
    if (dashed === undefined) return { kind: 'records', answers: [] };
    const address = isIPv4(dashed.replaceAll('-', '.')) ? dashed.replaceAll('-', '.') : dashed.replaceAll('-', ':');
    if (!isIPv4(address) && !isIPv6(address)) return { kind: 'missing' };
    return this.#records(type, [this.#address(name, address)]);
  }

  #service(service: Service, name: string, { rest, type }: { rest: readonly string[]; type: number }): ZoneAnswer {
    const { spec = {} } = service;
    const base = this.#nameOf(service);
    if (spec.type === 'ExternalName') {
      const target = (spec.externalName ?? '').replace(/\.$/, '').toLowerCase();
      return rest.length === 0 && target !== '' ? { kind: 'alias', target, ttl: this.#ttl } : { kind: 'missing' };
    }
    const headless = spec.clusterIP === 'None';
    const [label, port] = rest;
    if (rest.length === 0) {
      if (type === dnsTypes.SRV) return this.#srv(service, name, {});
      const addresses = headless ? this.#members(service).map(({ address }) => address) : clusterIpsOf(service);
      return this.#records(
        type,
        addresses.map((address) => this.#address(base, address)),
      );
    }
    // `_http._tcp.web`: from the right, the protocol comes first.
    if (label?.startsWith('_')) {
      if (port === undefined) return { kind: 'records', answers: [] };
      if (rest.length > 2 || !port.startsWith('_')) return { kind: 'missing' };
      return this.#srv(service, name, { protocol: label.slice(1), port: port.slice(1) }, type);
    }
    if (!headless || rest.length > 1) return { kind: 'missing' };
    const members = this.#members(service).filter(({ hostname }) => hostname === label);
    if (members.length === 0) return { kind: 'missing' };
    return this.#records(
      type,
      members.map(({ address }) => this.#address(name, address)),
    );
  }

  #srv(
    service: Service,
    name: string,
    wanted: { protocol?: string; port?: string },
    type: number = dnsTypes.SRV,
  ): ZoneAnswer {
    const base = this.#nameOf(service);
    const fits = (port: { name: string; protocol: string }) =>
      wanted.port === undefined ? true : port.name === wanted.port && port.protocol === wanted.protocol;
    const answers: DnsRecord[] = [];
    const additional = new Map<string, DnsRecord>();
    const add = (port: number, target: string, addresses: readonly string[]) => {
      answers.push({ type: 'SRV', name, ttl: this.#ttl, priority: 0, weight: 100, port, target });
      for (const address of addresses) additional.set(`${target} ${address}`, this.#address(target, address));
    };
    if (service.spec?.clusterIP === 'None') {
      for (const { address, hostname, ports } of this.#members(service)) {
        for (const port of ports) if (fits(port)) add(port.port, `${hostname}.${base}`, [address]);
      }
    } else {
      for (const { name: portName = '', protocol = 'TCP', port } of service.spec?.ports ?? []) {
        if (fits({ name: portName, protocol: protocol.toLowerCase() })) add(port, base, clusterIpsOf(service));
      }
    }
    if (answers.length === 0) return wanted.port === undefined ? { kind: 'records', answers: [] } : { kind: 'missing' };
    if (type !== dnsTypes.SRV && type !== dnsTypes.ANY) return { kind: 'records', answers: [] };
    return { kind: 'records', answers, additional: [...additional.values()] };
  }

  #reverse(name: string, type: number): ZoneAnswer {
    const address = addressOfReverse(name);
    if (address === undefined) return { kind: 'foreign' };
    const targets = this.#services.byIndex('address', address).map((service) => this.#nameOf(service));
    for (const slice of this.#slices.byIndex('address', address)) {
      const service = this.#services.get(serviceKeyOf(slice));
      if (service?.spec?.clusterIP !== 'None') continue;
      for (const { addresses, hostname } of slice.endpoints ?? []) {
        if (hostname && addresses.some((one) => canonical(one) === address))
          targets.push(`${hostname}.${this.#nameOf(service)}`);
      }
    }
    if (targets.length === 0) return { kind: 'foreign' };
    return this.#records(
      type,
      targets.map((target) => ({ type: 'PTR', name, ttl: this.#ttl, target })),
    );
  }

  #members(service: Service): Member[] {
    const key = `${service.metadata?.namespace}/${service.metadata?.name}`;
    const members: Member[] = [];
    for (const { ports = [], endpoints } of this.#slices.byIndex('service', key)) {
      const served = (ports ?? []).flatMap(({ name = '', protocol = 'TCP', port }) =>
        port === undefined ? [] : [{ name, protocol: protocol.toLowerCase(), port }],
      );
      for (const { addresses, conditions, hostname } of endpoints ?? []) {
        const [address] = addresses;
        if (address === undefined || conditions?.ready === false) continue;
        members.push({ address, hostname: hostname ?? address.replaceAll(/[.:]/g, '-'), ports: served });
      }
    }
    return members;
  }

  #records(type: number, records: readonly DnsRecord[]): ZoneAnswer {
    return {
      kind: 'records',
      answers: records.filter((record) => type === dnsTypes.ANY || dnsTypes[record.type] === type),
    };
  }

  #address(name: string, address: string): DnsRecord {
    return { type: isIPv4(address) ? 'A' : 'AAAA', name, ttl: this.#ttl, address };
  }

  #nameOf({ metadata }: Service): string {
    return `${metadata?.name}.${metadata?.namespace}.svc.${this.domain}`;
  }
}

function serviceKeyOf({ metadata }: EndpointSlice): string {
  return `${metadata?.namespace ?? ''}/${metadata?.labels?.['kubernetes.io/service-name'] ?? ''}`;
}

function clusterIpsOf({ spec = {} }: Service): string[] {
  return (spec.clusterIPs ?? [spec.clusterIP ?? '']).filter((address) => address !== '' && address !== 'None');
}

function addressesOf(service: Service): string[] {
  return clusterIpsOf(service).map(canonical);
}

/** IPv6 addresses have many spellings. */
function canonical(address: string): string {
  return isIPv6(address) ? parseIpv6(address).toString('hex') : address;
}

/** `1.0.96.10.in-addr.arpa` is 10.96.0.1; of IPv6 the 32 digits. */
function addressOfReverse(name: string): string | undefined {
  const four = /^(\d{1,3}(?:\.\d{1,3}){3})\.in-addr\.arpa$/.exec(name)?.[1];
  if (four !== undefined) return four.split('.').reverse().join('.');
  const six = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name)?.[1];
  return six?.split('.').reverse().join('');
}
