import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Endpoint } from '../endpoint.ts';
import type { KubeProxyConfig } from '../kube-proxy-config.ts';
import type { ChangedServices, Proxier, ServedPort } from '../proxier.ts';
import type { PortState, ProxyState } from '../proxy-state.ts';
import { Balancer } from './balancer.ts';
import type { Forwarder } from './forwarder.ts';
import { loopbackAddressOf } from './loopback-address.ts';
import { listenTcpForwarder } from './tcp-forwarder.ts';
import { listenUdpForwarder } from './udp-forwarder.ts';

export interface UserspaceProxierOptions {
  readonly config: KubeProxyConfig;
  readonly log: Logger;
  readonly clock: Clock;
}

/** What a Service wants: one listener. */
interface WantedPort {
  readonly state: PortState;
  readonly kind: 'cluster-ip' | 'node-port';
  readonly address: string;
  readonly port: number;
  readonly endpoints: readonly Endpoint[];
}

interface Listener {
  readonly balancer: Balancer;
  readonly forwarder: Forwarder;
  readonly served: ServedPort;
}

/**
 * Services as listeners of this process, for whoever may write no kernel rules: one for each cluster address and port, on a loopback address
 * that stands for it, and one for each node port. Endpoints see this node as the client. A port without endpoints is not listened on.
 */
export class UserspaceProxier implements Proxier {
  readonly mode = 'userspace';
  readonly #options: UserspaceProxierOptions;
  readonly #services = new Map<string, Map<string, Listener>>();
  /** Of ports that are gone: they have connections left. */
  readonly #retired = new Set<Forwarder>();

  constructor(options: UserspaceProxierOptions) {
    this.#options = options;
  }

  async sync(state: ProxyState, changed: ChangedServices): Promise<void> {
    const keys = typeof changed === 'string' ? new Set([...state.serviceKeys(), ...this.#services.keys()]) : changed;
    for (const key of keys) await this.#syncService(key, state);
  }

  async isIntact(): Promise<boolean> {
    return true;
  }

  ports(): readonly ServedPort[] {
    return [...this.#services.values()].flatMap((listeners) => [...listeners.values()].map(({ served }) => served));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const forwarders = [...this.#services.values()].flatMap((all) => [...all.values()].map((one) => one.forwarder));
    this.#services.clear();
    await Promise.all([...forwarders, ...this.#retired].map((forwarder) => forwarder[Symbol.asyncDispose]()));
  }

  async #syncService(key: string, state: ProxyState): Promise<void> {
    const wanted = new Map<string, WantedPort>();
    for (const port of state.portsOf(key)) this.#addWanted(wanted, port, state);
    const present = this.#services.get(key) ?? new Map<string, Listener>();
    for (const [id, listener] of present) {
      if (wanted.has(id)) continue;
      present.delete(id);
      this.#retired.add(listener.forwarder);
      void listener.forwarder.retire().then(() => this.#retired.delete(listener.forwarder));
    }
    for (const [id, want] of wanted) {
      const listener = present.get(id) ?? (await this.#open(want));
      if (!listener) continue;
      present.set(id, listener);
      listener.balancer.update(want.endpoints, want.state.port.affinitySeconds);
      listener.forwarder.refresh();
    }
    if (present.size > 0) this.#services.set(key, present);
    else this.#services.delete(key);
  }

  #addWanted(wanted: Map<string, WantedPort>, state: PortState, { nodeAddresses }: ProxyState): void {
    const { port, cluster, local } = state;
    if (port.protocol === 'sctp') return; // Nothing in user space speaks it.
    const add = (kind: WantedPort['kind'], address: string, number: number, endpoints: readonly Endpoint[]) => {
      if (endpoints.length === 0) return;
      wanted.set(`${port.protocol} ${address} ${number}`, { state, kind, address, port: number, endpoints });
    };
    add('cluster-ip', port.clusterIp, port.port, port.internalLocal ? local : cluster);
    if (port.nodePort === 0 || port.family !== 'ip') return;
    const [address = '127.0.0.1'] = nodeAddresses;
    add('node-port', address, port.nodePort, port.externalLocal ? local : cluster);
  }

  async #open({ state, kind, address, port }: WantedPort): Promise<Listener | undefined> {
    const { config, log, clock } = this.#options;
    const { namespace, name, portName, protocol } = state.port;
    const balancer = new Balancer(clock.now);
    const wanted = {
      address: kind === 'cluster-ip' ? loopbackAddressOf(address, config.loopbackRange) : address,
      port,
    };
    const open = protocol === 'udp' ? listenUdpForwarder : listenTcpForwarder;
    try {
      const forwarder = await open({ wanted, balancer, log: log.with({ service: `${namespace}/${name}`, portName }) });
      const listen = forwarder.bound;
      const mapped = listen.port !== port || listen.address !== wanted.address;
      if (mapped) log.info('A Service port is mapped', { service: `${namespace}/${name}`, address, port, listen });
      const served: ServedPort = { namespace, name, portName, protocol, kind, address, port, listen, mapped };
      return { balancer, forwarder, served };
    } catch (error) {
      log.warn('A Service port cannot be listened on', { service: `${namespace}/${name}`, address, port, error });
      return undefined;
    }
  }
}
