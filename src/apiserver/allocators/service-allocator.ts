import { internalError } from '../../api/errors.ts';
import { type FieldError, invalid, invalidObject } from '../../api/field-error.ts';
import type { Service, ServicePort } from '../../api/kubernetes/core-v1.ts';
import type { ObjectSource } from '../../auth/object-source.ts';
import type { Metrics } from '../../lib/metrics.ts';
import type { Reservation } from '../strategy.ts';
import { familyOf, type IpFamily, parseAddressRange } from './address-range.ts';
import { ClusterIpAllocator } from './cluster-ip-allocator.ts';
import { NodePortAllocator } from './node-port-allocator.ts';
import { fillIpFamilies } from './service-ip-families.ts';
import { needsHealthCheckPort, needsNodePorts, nodePortsOf, realClusterIps } from './service-needs.ts';

export interface ServiceAllocatorOptions {
  /** One range, or one of each family with a comma between. */
  readonly clusterIpRange: string;
  readonly nodePortRange: { readonly first: number; readonly last: number };
  readonly objects: ObjectSource;
  readonly metrics?: Metrics;
}

/**
 * Addresses and node ports of Services. What stored Services have is followed through the watch cache, from the start and after each
 * write; what a write in flight has taken is kept until it ends. One API server at a time may write a store's Services.
 */
export class ServiceAllocator implements Disposable {
  readonly #ips: ReadonlyMap<IpFamily, ClusterIpAllocator>;
  readonly #ports: NodePortAllocator;
  readonly #subscription: Disposable;

  constructor({ clusterIpRange, nodePortRange, objects, metrics }: ServiceAllocatorOptions) {
    const ranges = clusterIpRange
      .split(',')
      .map((cidr) => parseAddressRange(cidr.trim(), '--service-cluster-ip-range'));
    this.#ips = new Map(ranges.map((range) => [range.family, new ClusterIpAllocator(range, metrics)]));
    this.#ports = new NodePortAllocator(nodePortRange, metrics);
    for (const service of objects.list<Service>('services')) this.#hold(service);
    this.#subscription = objects.subscribe<Service>('services', ({ before, after }) => {
      if (after) this.#hold(after);
      if (before) this.#free(before);
    });
  }

  /**
   * Fills what the Service needs and has not. @throws {ApiError} `Invalid` when it cannot have what it asks for, `InternalError` when all is given
   */
  reserve(service: Service, old: Readonly<Service> | undefined): Reservation {
    const taken: (() => void)[] = [];
    const end = () => {
      for (const release of taken.splice(0)) release();
    };
    try {
      const errors = fillIpFamilies(service, old, [...this.#ips.keys()]);
      if (errors.length > 0) throw invalidService(service, errors);
      this.#reserveIps(service, old, taken);
      this.#reservePorts(service, old, taken);
    } catch (error) {
      end();
      throw error;
    }
    return { commit: end, rollback: end };
  }

  #reserveIps(service: Service, old: Readonly<Service> | undefined, taken: (() => void)[]): void {
    const { spec = {}, metadata = {} } = service;
    if (spec.type === 'ExternalName' || spec.clusterIPs?.[0] === 'None') return;
    const held = old ? realClusterIps(old) : [];
    const isApiServer = metadata.namespace === 'default' && metadata.name === 'kubernetes';
    const given = [...(spec.clusterIPs ?? [])];
    for (const address of given) {
      if (held.includes(address)) continue;
      const allocator = this.#ips.get(familyOf(address));
      const error = allocator?.take(address, { isApiServer });
      if (error !== undefined) {
        throw invalidService(service, [
          invalid('spec.clusterIPs', given, `failed to allocate IP ${address}: ${error}`),
        ]);
      }
      taken.push(() => allocator?.release(address));
    }
    for (const family of (spec.ipFamilies ?? []).slice(given.length)) {
      const allocator = this.#ips.get(family as IpFamily);
      const address = allocator?.takeNext();
      if (address === undefined) {
        throw internalError(`failed to allocate a serviceIP for Service "${metadata.name}": range is full`);
      }
      taken.push(() => allocator?.release(address));
      given.push(address);
    }
    if (given[0] === undefined) return;
    spec.clusterIP = given[0];
    spec.clusterIPs = given;
  }

  #reservePorts(service: Service, old: Readonly<Service> | undefined, taken: (() => void)[]): void {
    const { spec = {} } = service;
    if (!needsNodePorts(service)) return;
    const mine = new Set(old && needsNodePorts(old) ? nodePortsOf(old) : []);
    const take = (port: number): string | undefined => {
      if (mine.has(port)) return undefined;
      const error = this.#ports.take(port);
      if (error === undefined) {
        mine.add(port);
        taken.push(() => this.#ports.release(port));
      }
      return error;
    };
    const ports = spec.ports ?? [];
    ports.forEach((port, i) => {
      if (!port.nodePort) return;
      const error = take(port.nodePort);
      if (error !== undefined) {
        throw invalidService(service, [invalid(`spec.ports[${i}].nodePort`, port.nodePort, error)]);
      }
    });
    const allocates = spec.type === 'NodePort' || spec.allocateLoadBalancerNodePorts !== false;
    for (const port of ports) {
      if (port.nodePort || !allocates) continue;
      port.nodePort = sharedNodePort(port, ports) ?? this.#takeNextPort(taken, 'a nodePort');
    }
    if (!needsHealthCheckPort(service)) return;
    if (!spec.healthCheckNodePort) {
      spec.healthCheckNodePort = this.#takeNextPort(taken, 'a HealthCheck NodePort 0');
      return;
    }
    const error = take(spec.healthCheckNodePort);
    if (error === undefined) return;
    throw internalError(`failed to allocate requested HealthCheck NodePort ${spec.healthCheckNodePort}: ${error}`);
  }

  #takeNextPort(taken: (() => void)[], what: string): number {
    const port = this.#ports.takeNext();
    if (port === undefined) throw internalError(`failed to allocate ${what}: range is full`);
    taken.push(() => this.#ports.release(port));
    return port;
  }

  #hold(service: Readonly<Service>): void {
    for (const address of realClusterIps(service)) this.#ips.get(familyOf(address))?.hold(address);
    for (const port of nodePortsOf(service)) this.#ports.hold(port);
  }

  #free(service: Readonly<Service>): void {
    for (const address of realClusterIps(service)) this.#ips.get(familyOf(address))?.free(address);
    for (const port of nodePortsOf(service)) this.#ports.free(port);
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
  }
}

/** One number serves a port of several protocols. */
function sharedNodePort(port: ServicePort, ports: readonly ServicePort[]): number | undefined {
  return ports.find((other) => other.port === port.port && other.protocol !== port.protocol && other.nodePort)
    ?.nodePort;
}

function invalidService(service: Service, errors: readonly FieldError[]): Error {
  return invalidObject({ group: '', version: 'v1', kind: 'Service' }, service.metadata?.name ?? '', errors);
}
