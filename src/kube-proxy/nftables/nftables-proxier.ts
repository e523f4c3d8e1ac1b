import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { KubeProxyConfig } from '../kube-proxy-config.ts';
import type { ChangedServices, Proxier, ServedPort } from '../proxier.ts';
import type { ProxyState } from '../proxy-state.ts';
import type { Family } from '../service-port.ts';
import type { Fragment } from './fragment.ts';
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
  #staleSinceMs: number | undefined;

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
    if (!this.#complete) for (const table of this.#tables) commands.push(...table.reset());
    const ports = new Map([...keys].map((key) => [key, state.portsOf(key)]));
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
    if (!this.#tables.some((table) => table.hasStale)) this.#staleSinceMs = undefined;
    else this.#staleSinceMs ??= this.#options.clock.now();
    if (commands.length === 0) return;
    this.#complete = false;
    await nft.apply(commands);
    this.#complete = true;
    log.debug('Rules written', { commands: commands.length, services: ports.size, everything });
  }

  async isIntact(): Promise<boolean> {
    if (!this.#complete) return false;
    const { nft } = this.#options;
    try {
      for (const { family } of this.#tables) await nft.list('chain', family, 'kube-proxy', names.services);
      return true;
    } catch (error) {
      this.#options.log.warn('The rules have been changed by somebody else', { error });
      this.#complete = false;
      return false;
    }
  }

  ports(): readonly ServedPort[] {
    return [];
  }

  /** The rules stay, as connections need them; `fairlead kube-proxy --cleanup` takes them away. */
  async [Symbol.asyncDispose](): Promise<void> {}

  #sweep(table: Table): string[] {
    const { clock } = this.#options;
    if (this.#staleSinceMs === undefined || clock.now() - this.#staleSinceMs < staleMs) return [];
    return table.sweep();
  }

  #match() {
    const { localDetector = { kind: 'none' } } = this.#options.config;
    return { localDetector, everyEndpointIsLocal: false };
  }
}
