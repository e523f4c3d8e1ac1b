import type { Family } from '../service-port.ts';

/** The table of each family that is ours alone. */
export const tableName = 'kube-proxy';

/**
 * A piece of one family's table that has one owner: the frame, or one Service. What changes is found by comparing two fragments of
 * one owner, so that a change of one Service costs as much as that Service is large.
 */
export interface Fragment {
  /** Rules by chain. */
  readonly chains: ReadonlyMap<string, readonly string[]>;
  /** `{ type nat hook … ; }` of chains that the kernel calls. */
  readonly hooks?: ReadonlyMap<string, string>;
  /** Sets and maps by name: `set { type ipv4_addr ; }`. */
  readonly containers: ReadonlyMap<string, string>;
  /** By set or map: keys and, in maps, their verdicts. Several owners may claim one key: the first one has it. */
  readonly elements: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

export const emptyFragment: Fragment = { chains: new Map(), containers: new Map(), elements: new Map() };

/** Collects one fragment. */
export class FragmentBuilder {
  readonly family: Family;
  readonly #chains = new Map<string, readonly string[]>();
  readonly #hooks = new Map<string, string>();
  readonly #containers = new Map<string, string>();
  readonly #elements = new Map<string, Map<string, string>>();

  constructor(family: Family) {
    this.family = family;
  }

  chain(name: string, rules: readonly string[]): void {
    this.#chains.set(name, rules);
  }

  baseChain(name: string, hook: string, rules: readonly string[]): void {
    this.#hooks.set(name, `{ ${hook} ; }`);
    this.#chains.set(name, rules);
  }

  container(kind: 'set' | 'map', name: string, definition: string): void {
    this.#containers.set(name, `${kind} { ${definition} ; }`);
  }

  element(container: string, key: string, verdict = ''): void {
    const elements = this.#elements.get(container) ?? new Map<string, string>();
    this.#elements.set(container, elements.set(key, verdict));
  }

  build(): Fragment {
    return { chains: this.#chains, hooks: this.#hooks, containers: this.#containers, elements: this.#elements };
  }
}
