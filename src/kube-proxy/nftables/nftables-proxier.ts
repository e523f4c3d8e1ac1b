import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { KubeProxyConfig } from '../kube-proxy-config.ts';
import type { ChangedServices, Proxier, ServedPort } from '../proxier.ts';
import type { PortState, ProxyState } from '../proxy-state.ts';
import type { Family } from '../service-port.ts';
import { type AffinityClients, readClients, restoreClients } from './affinity.ts';
import { forgetStaleFlows } from './conntrack.ts';
import { type Fragment, tableName } from './fragment.ts';
import { frameFragment } from './frame-fragment.ts';
import { names } from './names.ts';
import type { Nft } from './nft.ts';
import { serviceFragment } from './service-fragment.ts';
import { Table } from './table.ts';

export interface NftablesProxierOptions {
  readonly config: KubeProxyConfig;
  readonly nft: Nft;
  readonly families: readonly Family[];
  readonly log: Logger;
  readonly clock: Clock;
  /** Called when UDP flows have been looked through. */
  readonly onFlowsForgotten?: (family: Family, result: { count: number; durationMs: number }) => void;
}

/** Kernel rules answer at the very addresses that clients know. */
function servedPortsOf(state: ProxyState): ServedPort[] {
  const [nodeAddress = ''] = state.nodeAddresses;
  return [...state.serviceKeys()].flatMap((key) =>
    state.portsOf(key).flatMap(({ port }) => {
      const { namespace, name, portName, protocol } = port;
      const serve = (kind: ServedPort['kind'], address: string, number: number): ServedPort => {
        const listen = { address, port: number };
        return { namespace, name, portName, protocol, kind, address, port: number, listen, mapped: false };
      };
      return [
        serve('cluster-ip', port.clusterIp, port.port),
        ...port.externalIps.map((address) => serve('external-ip', address, port.port)),
        ...port.loadBalancerIps.map((address) => serve('load-balancer', address, port.port)),
        ...(port.nodePort > 0 ? [serve('node-port', nodeAddress, port.nodePort)] : []),
      ];
    }),
  );
}

/** In what `nft -j list chain` prints. */
function countRules(listing: unknown): number {
  const { nftables } = listing as { nftables?: readonly object[] }; // As nft's documentation has it.
  return (nftables ?? []).filter((entry) => 'rule' in entry).length;
}

/** The owner of the frame; Services have a slash. */
const frame = '';
/** How long emptied chains are kept. */
const staleMs = 1_000;

/** Services as kernel rules: one table for each family, changed in one transaction for all. */
export class NftablesProxier implements Proxier {
  readonly mode = 'nftables';
  readonly #options: NftablesProxierOptions;
  readonly #tables: readonly Table[];
  #complete = false;
  #conntrackMissing = false;
  #staleSinceMs: number | undefined;
  #served: ProxyState | undefined;

  constructor(options: NftablesProxierOptions) {
    this.#options = options;
    this.#tables = options.families.map((family) => new Table(family));
  }

  async sync(state: ProxyState, changed: ChangedServices): Promise<void> {
    const { nft, log } = this.#options;
    const commands: string[] = [];
    if (changed === 'anew') this.#complete = false;
    const everything = typeof changed === 'string' || !this.#complete;
    const keys = typeof changed === 'string' || everything ? state.serviceKeys() : changed;
    const ports = new Map([...keys].map((key) => [key, state.portsOf(key)]));
    const kept = this.#complete ? [] : await this.#keepAffinity(ports);
    if (!this.#complete) for (const table of this.#tables) commands.push(...table.reset());
    for (const table of this.#tables) {
      commands.push(...this.#sweep(table));
      const wanted = new Map<string, Fragment | undefined>();
      if (everything) {
        for (const owner of table.owners()) if (!ports.has(owner)) wanted.set(owner, undefined);
        wanted.set(frame, frameFragment(table.family, this.#options.config, state));
      }
      for (const [key, states] of ports) {
        const fragment = states.length > 0 ? serviceFragment(table.family, states, this.#match()) : undefined;
        wanted.set(key, fragment);
      }
      commands.push(...table.change(wanted));
    }
    for (const { table, clients } of kept) commands.push(...restoreClients(table, clients));
    if (!this.#tables.some((table) => table.hasStale)) this.#staleSinceMs = undefined;
    else this.#staleSinceMs ??= this.#options.clock.now();
    if (commands.length === 0) return;
    this.#complete = false;
    await nft.apply(commands);
    this.#complete = true;
    this.#served = state;
    log.debug('Rules written', { commands: commands.length, services: ports.size, everything });
    await this.#forgetFlows([...ports.values()].flat());
  }

  async isIntact(): Promise<boolean> {
    if (!this.#complete) return false;
    const { nft, log } = this.#options;
    try {
      for (const table of this.#tables) {
        const found = countRules(await nft.list('chain', table.family, tableName, names.services));
        const expected = table.rulesOf(frame, names.services).length;
        if (found !== expected) throw new Error(`chain ${names.services} has ${found} rules, not ${expected}`);
      }
      return true;
    } catch (error) {
      log.warn('The rules have been changed by somebody else', { error });
      this.#complete = false;
      return false;
    }
  }

  ports(): readonly ServedPort[] {
    return this.#served === undefined ? [] : servedPortsOf(this.#served);
  }

  /** The rules stay, as connections need them; `fairlead kube-proxy --cleanup` takes them away. */
  async [Symbol.asyncDispose](): Promise<void> {}

  /** What an earlier table, or that of an earlier process, knows of clients with affinity. */
  async #keepAffinity(ports: ReadonlyMap<string, readonly PortState[]>) {
    const kept: { table: Table; clients: AffinityClients }[] = [];
    if (![...ports.values()].flat().some(({ port }) => port.affinitySeconds !== undefined)) return kept;
    for (const table of this.#tables) kept.push({ table, clients: await readClients(this.#options.nft, table.family) });
    return kept;
  }

  /** Rules decide about first packets only: what UDP clients send on must be led anew. */
  async #forgetFlows(ports: readonly PortState[]): Promise<void> {
    if (this.#conntrackMissing) return;
    const { config, families, log, onFlowsForgotten } = this.#options;
    for (const family of families) {
      const startedMs = performance.now();
      try {
        const count = await forgetStaleFlows(ports, { family, prefix: config.commandPrefix });
        onFlowsForgotten?.(family, { count, durationMs: performance.now() - startedMs });
      } catch (error) {
        this.#conntrackMissing = true;
        log.warn('UDP flows to endpoints that are gone cannot be forgotten: conntrack does not run', { error });
        return;
      }
    }
  }

  #sweep(table: Table): string[] {
    const { clock } = this.#options;
    if (this.#staleSinceMs === undefined || clock.now() - this.#staleSinceMs < staleMs) return [];
    return table.sweep();
  }

  #match() {
    const { localDetector = { kind: 'none' } } = this.#options.config;
    return { localDetector };
  }
}
