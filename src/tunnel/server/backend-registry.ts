import { ConfigError } from '../../lib/config-error.ts';
import type { TunnelBackend } from './tunnel-backend.ts';

export const proxyStrategies = ['default', 'destHost', 'defaultRoute'] as const;
export type ProxyStrategy = (typeof proxyStrategies)[number];

/** Reads `--proxy-strategies`: in order, duplicates kept, empty parts skipped. @throws {ConfigError} */
export function parseProxyStrategies(text: string): ProxyStrategy[] {
  if (text === '') throw new ConfigError('ProxyStrategies cannot be empty');
  return text
    .split(',')
    .filter((part) => part !== '')
    .map((part) => {
      const found = proxyStrategies.find((strategy) => strategy === part);
      if (!found) throw new ConfigError(`invalid proxy strategies: unknown proxy strategy: ${part}`);
      return found;
    });
}

/** `host` of `host:port`, as upstream cuts it: brackets stripped, a bare IPv6 address left whole. */
export function removePort(address: string): string {
  const colons = address.split(':').length - 1;
  let host = address;
  if (colons === 1) host = address.slice(0, address.indexOf(':'));
  else if (colons > 1 && address.startsWith('[') && !address.endsWith(']')) {
    host = address.slice(0, address.lastIndexOf(':'));
  }
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
}

/** The connected agents, and which of them takes a dial. */
export class BackendRegistry {
  readonly #strategies: readonly ProxyStrategy[];
  readonly #random: () => number;
  /** For each strategy, streams by the identifier they are found by, in order of arrival. */
  readonly #tables: ReadonlyMap<ProxyStrategy, Map<string, TunnelBackend[]>>;
  readonly #all = new Set<TunnelBackend>();

  constructor(strategies: readonly ProxyStrategy[], { random = Math.random }: { random?: () => number } = {}) {
    this.#strategies = strategies;
    this.#random = random;
    this.#tables = new Map(strategies.map((strategy) => [strategy, new Map<string, TunnelBackend[]>()]));
  }

  add(backend: TunnelBackend): void {
    if (this.#all.has(backend)) return;
    this.#all.add(backend);
    for (const [strategy, table] of this.#tables) {
      for (const key of keysOf(strategy, backend)) table.set(key, [...(table.get(key) ?? []), backend]);
    }
  }

  remove(backend: TunnelBackend): void {
    if (!this.#all.delete(backend)) return;
    for (const table of this.#tables.values()) {
      for (const [key, backends] of table) {
        const rest = backends.filter((other) => other !== backend);
        if (rest.length === 0) table.delete(key);
        else if (rest.length < backends.length) table.set(key, rest);
      }
    }
  }

  backends(): SetIterator<TunnelBackend> {
    return this.#all.values();
  }

  /** Distinct identifiers by strategy: upstream's `ready_backends`. */
  counts(): Map<ProxyStrategy, number> {
    return new Map([...this.#tables].map(([strategy, table]) => [strategy, table.size]));
  }

  /** As upstream, only the first strategy decides. */
  get ready(): boolean {
    const [first] = this.#strategies;
    return first !== undefined && (this.#tables.get(first)?.size ?? 0) > 0;
  }

  /** The stream that takes a dial to `address`: the first strategy that has one wins; a draining one only where there is no other. */
  find(address: string): TunnelBackend | undefined {
    for (const strategy of this.#strategies) {
      const table = this.#tables.get(strategy) ?? new Map<string, TunnelBackend[]>();
      const found = strategy === 'destHost' ? this.#byHost(table, address) : this.#anyOf(table);
      if (found) return found;
    }
    return undefined;
  }

  /** The stream that takes a dial to `node` itself: one that authenticated as that node. */
  findByNode(node: string): TunnelBackend | undefined {
    const backends = [...this.#all].filter(({ nodeName }) => nodeName === node);
    return backends.find((backend) => !backend.draining) ?? backends[0];
  }

  #byHost(table: ReadonlyMap<string, TunnelBackend[]>, address: string): TunnelBackend | undefined {
    const backends = table.get(removePort(address));
    return backends?.find((backend) => !backend.draining) ?? backends?.[0];
  }

  #anyOf(table: ReadonlyMap<string, TunnelBackend[]>): TunnelBackend | undefined {
    const groups = [...table.values()];
    const start = Math.floor(this.#random() * groups.length);
    let fallback: TunnelBackend | undefined;
    for (let step = 0; step < groups.length; step++) {
      const group = groups[(start + step) % groups.length] ?? [];
      const found = group.find((backend) => !backend.draining);
      if (found) return found;
      fallback ??= group[0];
    }
    return fallback;
  }
}

function keysOf(strategy: ProxyStrategy, { agentId, identifiers }: TunnelBackend): readonly string[] {
  if (strategy === 'destHost') {
    return [...new Set([...identifiers.ipv4, ...identifiers.ipv6, ...identifiers.host])];
  }
  return strategy === 'default' || identifiers.defaultRoute ? [agentId] : [];
}
