import { randomBytes } from 'node:crypto';

export interface NumberAllocatorOptions {
  readonly first: bigint;
  readonly last: bigint;
  /** So many of the lowest numbers are given only when asked for by number or when nothing else is left, so that static choices seldom meet dynamic ones. */
  readonly staticBand: bigint;
}

/**
 * Gives each number of a range to one holder at a time. What is stored is the truth and is reported by `hold` and `free`; what is taken for
 * a write in flight is kept beside it, so that a failed write leaves nothing behind and a restart begins with what is stored.
 */
export class NumberAllocator {
  readonly first: bigint;
  readonly last: bigint;
  readonly #staticBand: bigint;
  /** How many stored objects hold a number: more than one only in a store that was already wrong. */
  readonly #stored = new Map<bigint, number>();
  readonly #taken = new Set<bigint>();

  constructor({ first, last, staticBand }: NumberAllocatorOptions) {
    this.first = first;
    this.last = last;
    this.#staticBand = staticBand;
  }

  /** How many numbers the range has. */
  get size(): bigint {
    return this.last - this.first + 1n;
  }

  /** How many of them are held or taken. */
  get allocated(): number {
    let count = this.#stored.size;
    for (const number of this.#taken) if (!this.#stored.has(number)) count++;
    return count;
  }

  includes(number: bigint): boolean {
    return number >= this.first && number <= this.last;
  }

  /** Takes `number` for a write; false if somebody has it. Ends with {@link release}. */
  take(number: bigint): boolean {
    if (this.#isUsed(number)) return false;
    this.#taken.add(number);
    return true;
  }

  /** Takes any free number; `undefined` when there is none. Ends with {@link release}. */
  takeNext(): bigint | undefined {
    const band = this.#staticBand < this.size ? this.#staticBand : 0n;
    const found =
      this.#findFree(this.first + band, this.last) ??
      (band > 0n ? this.#findFree(this.first, this.first + band - 1n) : undefined);
    if (found !== undefined) this.#taken.add(found);
    return found;
  }

  /** The write that took `number` has ended, either way: if it was stored, {@link hold} has said so before. */
  release(number: bigint): void {
    this.#taken.delete(number);
  }

  /** A stored object has `number`. */
  hold(number: bigint): void {
    if (this.includes(number)) this.#stored.set(number, (this.#stored.get(number) ?? 0) + 1);
  }

  /** A stored object no longer has `number`. */
  free(number: bigint): void {
    const holders = this.#stored.get(number) ?? 0;
    if (holders > 1) this.#stored.set(number, holders - 1);
    else this.#stored.delete(number);
  }

  #isUsed(number: bigint): boolean {
    return this.#stored.has(number) || this.#taken.has(number);
  }

  /** From a random place on, around: as many steps as numbers are in use at the most. */
  #findFree(from: bigint, to: bigint): bigint | undefined {
    const size = to - from + 1n;
    const start = randomBelow(size);
    for (let step = 0n; step < size; step++) {
      const number = from + ((start + step) % size);
      if (!this.#isUsed(number)) return number;
    }
    return undefined;
  }
}

/** Evenly enough for a starting point. */
function randomBelow(bound: bigint): bigint {
  return BigInt(`0x${randomBytes(16).toString('hex')}`) % bound;
}
