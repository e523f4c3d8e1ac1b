import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import type { NodeRoute } from '../api/node-route.ts';
import type { ObjectSource } from '../auth/object-source.ts';
import { rejectOnAbort } from '../lib/async.ts';
import type { Logger } from '../lib/log.ts';
import { Metrics } from '../lib/metrics.ts';
import type { Dial, DialOptions, DialRoute, DialTarget } from '../stream/dial.ts';
import { type ChosenRoute, chooseRoute, hasRoutedNodes } from './choose-route.ts';
import { dialDirect } from './direct.ts';
import { EgressMetrics } from './egress-metrics.ts';
import { type EgressSelector, ProxyDialError, type ProxyDialer } from './egress-selector.ts';
import { hopOf, wayOf } from './target-text.ts';

export interface EgressOptions {
  /**
   * Where nodes and their routes are read. A function, because the API server's own objects exist only once it runs, while `dial` is given
   * to it before; `undefined` refuses every dial but those to the store.
   */
  readonly objects: ObjectSource | (() => ObjectSource | undefined);
  readonly tunnel?: Dial | undefined;
  readonly ssh?: Dial | undefined;
  /** @default plain sockets */
  readonly direct?: Dial | undefined;
  /** Upstream's configuration file, where one is given. */
  readonly selector?: EgressSelector | undefined;
  readonly metrics?: Metrics | undefined;
  readonly log: Logger;
}

/**
 * The one `dial` of the control plane: takes for each target the route that is recorded on its node, and no other. Nothing falls back: a node whose
 * route is the tunnel is never dialled directly, by name or by address. Kinds of traffic that an egress selector sends to a proxy
 * server go there, whatever the node's label says, unless that is `ssh`.
 */
export function createEgress(options: EgressOptions): Dial {
  const { tunnel, ssh, direct = dialDirect, selector, log } = options;
  const source = options.objects;
  const objects = typeof source === 'function' ? source : () => source;
  const metrics = new EgressMetrics(options.metrics ?? new Metrics());
  const dialers: Readonly<Record<NodeRoute, Dial | undefined>> = { direct, tunnel, ssh };

  /** The route, and the dials that reach the target by it: several where a name has several addresses. */
  async function plan(target: DialTarget, signal: AbortSignal): Promise<{ route: ChosenRoute; hosts: string[] }> {
    const route = chooseRoute(target, objects());
    const { host } = target;
    if (route.node !== undefined || isIP(host) !== 0 || target.network === 'etcd' || !hasRoutedNodes(objects())) {
      return { route, hosts: [host] };
    }
    // What is checked is what is dialled: a name is resolved once.
    const hosts = await resolve(host, signal);
    const routes = hosts.map((address) => chooseRoute({ ...target, host: address }, objects()));
    const routed = routes.find(({ kind }) => kind !== 'direct');
    if (routed) return { route: routed, hosts: hosts.filter((_, index) => routes[index]?.node === routed.node) };
    return { route, hosts };
  }

  function open(target: DialTarget, kind: NodeRoute, dialOptions: DialOptions): Promise<Duplex> {
    const dial = dialers[kind];
    if (dial) return dial(target, dialOptions);
    return Promise.reject(new Error(unavailable[kind]));
  }

  /** Through the egress selector where it lists this kind of traffic, else by the node's own route. */
  async function connect(target: DialTarget, taken: Taken, { signal }: DialOptions): Promise<Duplex> {
    const proxy = selector?.dialer(target.network ?? 'cluster');
    if (proxy && !isSsh(target, objects())) {
      taken.tell({ kind: 'egress-selector', via: proxy.name });
      return dialProxy(proxy, target, signal);
    }
    const { route, hosts } = await plan(target, signal);
    taken.choose(route.kind);
    let failure: unknown;
    for (const host of hosts) {
      try {
        const resolved = { ...target, host, ...(route.node !== undefined && { node: route.node }) };
        return await open(resolved, route.kind, { signal, onRoute: (known) => taken.tell(known) });
      } catch (error) {
        failure = error;
        if (signal.aborted) break;
      }
    }
    throw failure;
  }

  async function dialProxy(proxy: ProxyDialer, target: DialTarget, signal: AbortSignal): Promise<Duplex> {
    const started = performance.now();
    metrics.startProxied(proxy.labels);
    try {
      const stream = await proxy.dial(target, { signal });
      metrics.finishProxied(proxy.labels, { seconds: (performance.now() - started) / 1000 });
      return stream;
    } catch (error) {
      metrics.failProxied(proxy.labels, error instanceof ProxyDialError ? error.stage : 'connect');
      throw error;
    }
  }

  return async (target, dialOptions) => {
    const { signal } = dialOptions;
    const taken = new Taken(dialOptions.onRoute);
    try {
      signal.throwIfAborted();
      const stream = await connect(target, taken, dialOptions);
      taken.settle();
      const { kind, via } = taken.route ?? { kind: 'direct' };
      const closed = metrics.open(kind);
      if (stream.closed) closed();
      else stream.once('close', closed);
      metrics.count(kind, 'success');
      log.debug('Dialled', { ...target, route: kind, via });
      return stream;
    } catch (error) {
      taken.settle();
      const result = signal.aborted ? 'canceled' : taken.route ? 'failure' : 'refused';
      metrics.count(taken.route?.kind ?? 'none', result);
      throw explain(error, target, taken.route);
    }
  };
}

/** The route of one dial, told to the caller once: with who passes the bytes on where the dialer says it, without at the end of the dial. */
class Taken {
  readonly #onRoute: DialOptions['onRoute'];
  route: DialRoute | undefined;
  #told = false;

  constructor(onRoute: DialOptions['onRoute']) {
    this.#onRoute = onRoute;
  }

  choose(kind: NodeRoute): void {
    this.route = { kind };
  }

  tell(route: DialRoute): void {
    this.route = route;
    if (this.#told) return;
    this.#told = true;
    this.#onRoute?.(route);
  }

  settle(): void {
    if (this.route) this.tell(this.route);
  }
}

const unavailable: Readonly<Record<NodeRoute, string>> = {
  direct: 'direct dials are switched off',
  tunnel: "the node's route is the tunnel, and this control plane has no tunnel server",
  ssh: "the node's route is SSH, and no SSH tunnels are configured (--ssh-user, --ssh-keyfile)",
};

/** A node that is reached by SSH has no agent that a proxy server could use. */
function isSsh(target: DialTarget, objects: ObjectSource | undefined): boolean {
  return target.node !== undefined && objects !== undefined && chooseRoute(target, objects).kind === 'ssh';
}

async function resolve(host: string, signal: AbortSignal): Promise<string[]> {
  const settled = new AbortController();
  try {
    const found = await Promise.race([lookup(host, { all: true }), rejectOnAbort(signal, settled.signal)]);
    return found.map(({ address }) => address);
  } finally {
    settled.abort();
  }
}

/** The error with the hop and its route in front, each once. */
function explain(error: unknown, target: DialTarget, route: DialRoute | undefined): Error {
  const hop = hopOf(target);
  const message = error instanceof Error ? error.message : String(error);
  const bare = message.startsWith(`${hop}: `) ? message.slice(hop.length + 2) : message;
  return new Error(`${hop}${route ? ` ${wayOf(route)}` : ''}: ${bare}`, { cause: error });
}
