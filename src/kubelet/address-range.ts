/** The IPv4 addresses of one range that pods can have: the first two (network and gateway) and the last one are left out. */
export class AddressRange {
  readonly cidr: string;
  readonly #first: number;
  readonly #size: number;
  readonly #byPod = new Map<string, number>();
  readonly #taken = new Set<number>();
  #next = 0;

  /** @throws {RangeError} for what is no range, or one with no room */
  constructor(cidr: string) {
    const [base = '', bits = ''] = cidr.split('/');
    this.cidr = cidr;
    this.#size = 2 ** (32 - Number(bits));
    this.#first = parseAddress(base);
    const valid = /^(\d{1,3}\.){3}\d{1,3}\/\d{1,2}$/.test(cidr) && this.#first % this.#size === 0;
    if (!valid || this.#size < 4 || this.#size > 2 ** 24) {
      throw new RangeError(`the pod range ${cidr} must be an IPv4 range from /8 to /30`);
    }
  }

  /** The first address, which the node itself may have. */
  get gateway(): string {
    return formatAddress(this.#first + 1);
  }

  /** The pod's address, the same at each call; `wanted` where that one is free. @throws {Error} when there is none left */
  claim(podUid: string, wanted?: string): string {
    const known = this.#byPod.get(podUid);
    if (known !== undefined) return formatAddress(this.#first + known);
    const offset = this.#choose(wanted);
    this.#taken.add(offset);
    this.#byPod.set(podUid, offset);
    return formatAddress(this.#first + offset);
  }

  release(podUid: string): void {
    const offset = this.#byPod.get(podUid);
    if (offset === undefined) return;
    this.#byPod.delete(podUid);
    this.#taken.delete(offset);
  }

  /** Addresses are given round, so that one that was freed rests before it is used again. */
  #choose(wanted: string | undefined): number {
    const preferred = wanted === undefined ? -1 : parseAddress(wanted) - this.#first;
    if (preferred >= 2 && preferred < this.#size - 1 && !this.#taken.has(preferred)) return preferred;
    const usable = this.#size - 3;
    for (let tries = 0; tries < usable; tries++) {
      const offset = 2 + ((this.#next + tries) % usable);
      if (this.#taken.has(offset)) continue;
      this.#next = offset - 1;
      return offset;
    }
    throw new Error(`no address is left in ${this.cidr}`);
  }
}

function parseAddress(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

function formatAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}
