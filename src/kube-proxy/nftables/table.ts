import type { Family } from '../service-port.ts';
import { emptyFragment, type Fragment, tableName } from './fragment.ts';

/** So many elements go into one command. */
const elementsPerCommand = 500;

/**
 * One family's table as the kernel has it, and the commands that bring it to what is wanted. Everything is compared in memory:
 * reading a large table back takes longer than writing it.
 */
export class Table {
  readonly family: Family;
  readonly #fragments = new Map<string, Fragment>();
  /** By container and key: what each owner claims, in order. The first claim is what the kernel has. */
  readonly #claims = new Map<string, Map<string, Map<string, string>>>();
  /** Emptied chains and sets that nothing refers to any more. */
  readonly #staleChains = new Set<string>();
  readonly #staleSets = new Set<string>();

  constructor(family: Family) {
    this.family = family;
  }

  get hasStale(): boolean {
    return this.#staleChains.size + this.#staleSets.size > 0;
  }

  owners(): MapIterator<string> {
    return this.#fragments.keys();
  }

  /** The rules of one owner's chain. */
  rulesOf(owner: string, chain: string): readonly string[] {
    return this.#fragments.get(owner)?.chains.get(chain) ?? [];
  }

  /** Whether some owner wants this set or map. */
  hasContainer(name: string): boolean {
    return [...this.#fragments.values()].some(({ containers }) => containers.has(name));
  }

  /** Commands that replace whatever the kernel has by nothing, without a moment in between for which it has no table. */
  reset(): string[] {
    this.#fragments.clear();
    this.#claims.clear();
    this.#staleChains.clear();
    this.#staleSets.clear();
    const table = `table ${this.family} ${tableName}`;
    return [`add ${table}`, `delete ${table}`, `add ${table}`];
  }

  /** Commands that bring the fragments of some owners to what is wanted; an absent one goes away. The changes count as made. */
  change(wanted: ReadonlyMap<string, Fragment | undefined>): string[] {
    const before: string[] = [];
    const rules: string[] = [];
    const after: string[] = [];
    const touched = new Map<string, Map<string, string | undefined>>();
    for (const [owner, next = emptyFragment] of wanted) {
      const previous = this.#fragments.get(owner) ?? emptyFragment;
      if (next === emptyFragment) this.#fragments.delete(owner);
      else this.#fragments.set(owner, next);
      this.#changeContainers(previous, next, before);
      this.#changeChains(previous, next, { before, rules, after });
      this.#changeElements(owner, { previous, next }, touched);
    }
    const { removed, added } = this.#elementCommands(touched);
    return [...before, ...removed, ...rules, ...added, ...after];
  }

  /** Commands that delete what has become empty. Older kernels refuse that to a chain which a map let go in the same transaction. */
  sweep(): string[] {
    const commands = [
      ...[...this.#staleChains].map((name) => this.#command('delete chain', name)),
      ...[...this.#staleSets].map((name) => this.#command('delete set', name)),
    ];
    this.#staleChains.clear();
    this.#staleSets.clear();
    return commands;
  }

  #changeContainers(previous: Fragment, next: Fragment, before: string[]): void {
    for (const [name, definition] of next.containers) {
      this.#staleSets.delete(name);
      if (previous.containers.get(name) === definition) continue;
      const [kind = ''] = definition.split(' ', 1);
      before.push(this.#command(`add ${kind}`, name, definition.slice(kind.length + 1)));
    }
    for (const name of previous.containers.keys()) if (!next.containers.has(name)) this.#staleSets.add(name);
  }

  #changeChains(previous: Fragment, next: Fragment, to: Record<'before' | 'rules' | 'after', string[]>): void {
    for (const [name, rules] of next.chains) {
      const old = previous.chains.get(name);
      if (old && sameRules(old, rules)) continue;
      if (!old) to.before.push(this.#command('add chain', name, next.hooks?.get(name)));
      const wasStale = this.#staleChains.delete(name);
      if (old || wasStale) to.rules.push(this.#command('flush chain', name));
      for (const rule of rules) to.rules.push(this.#command('add rule', name, rule));
    }
    for (const name of previous.chains.keys()) {
      if (next.chains.has(name)) continue;
      to.after.push(this.#command('flush chain', name));
      this.#staleChains.add(name);
    }
  }

  /** Notes in `touched` what the kernel had under each key that an owner's claim changes. */
  #changeElements(
    owner: string,
    { previous, next }: { previous: Fragment; next: Fragment },
    touched: Map<string, Map<string, string | undefined>>,
  ): void {
    const set = (container: string, key: string, value: string | undefined) => {
      const claims = getOrInsert(
        getOrInsert(this.#claims, container, () => new Map()),
        key,
        () => new Map(),
      );
      const noted = getOrInsert(touched, container, () => new Map());
      if (!noted.has(key)) noted.set(key, firstValue(claims));
      if (value === undefined) claims.delete(owner);
      else claims.set(owner, value);
      if (claims.size === 0) this.#claims.get(container)?.delete(key);
    };
    for (const [container, elements] of next.elements) {
      const old = previous.elements.get(container);
      for (const [key, value] of elements) if (old?.get(key) !== value) set(container, key, value);
    }
    for (const [container, elements] of previous.elements) {
      const kept = next.elements.get(container);
      for (const key of elements.keys()) if (!kept?.has(key)) set(container, key, undefined);
    }
  }

  #elementCommands(touched: ReadonlyMap<string, ReadonlyMap<string, string | undefined>>) {
    const removed: string[] = [];
    const added: string[] = [];
    for (const [container, keys] of touched) {
      const gone: string[] = [];
      const come: string[] = [];
      for (const [key, old] of keys) {
        const now = firstValue(this.#claims.get(container)?.get(key));
        if (old === now) continue;
        if (old !== undefined) gone.push(key);
        if (now !== undefined) come.push(now === '' ? key : `${key} : ${now}`);
      }
      for (const part of parts(gone)) removed.push(this.#command('delete element', container, `{ ${part} }`));
      for (const part of parts(come)) added.push(this.#command('add element', container, `{ ${part} }`));
    }
    return { removed, added };
  }

  #command(verb: string, name: string, rest = ''): string {
    return `${verb} ${this.family} ${tableName} ${name}${rest && ` ${rest}`}`;
  }
}

function sameRules(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((rule, index) => rule === b[index]);
}

function firstValue(claims: ReadonlyMap<string, string> | undefined): string | undefined {
  return claims?.values().next().value;
}

function parts(elements: readonly string[]): string[] {
  const texts: string[] = [];
  for (let start = 0; start < elements.length; start += elementsPerCommand) {
    texts.push(elements.slice(start, start + elementsPerCommand).join(', '));
  }
  return texts;
}

function getOrInsert<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const present = map.get(key);
  if (present !== undefined) return present;
  const value = make();
  map.set(key, value);
  return value;
}
