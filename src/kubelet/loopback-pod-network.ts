import { createHash } from 'node:crypto';
import type { PodNetwork } from './pod-network.ts';

/**
 * One loopback address for each pod: on Linux any address in 127.0.0.0/8 can be bound without set-up or rights. Pods share the
 * host's ports where they listen on all addresses. Elsewhere than on Linux all pods have 127.0.0.1.
 */
export class LoopbackPodNetwork implements PodNetwork {
  readonly cidr: string;
  readonly #first: number;
  readonly #size: number;
  readonly #byPod = new Map<string, number>();
  readonly #taken = new Set<number>();
  #next = 0;

  /** @param cidr within 127.0.0.0/8, at least a /30 */
  constructor(cidr = '127.42.0.0/16') {
    const [base = '', bits = ''] = cidr.split('/');
    this.cidr = cidr;
    this.#size = 2 ** (32 - Number(bits));
    this.#first = parseAddress(base);
    const inside = base.startsWith('127.') && Number.isInteger(this.#size) && this.#size >= 4 && this.#size <= 2 ** 24;
    if (!inside) throw new RangeError(`the pod range ${cidr} must lie in 127.0.0.0/8 and be at least a /30`);
  }

  async attach(podUid: string, { wanted }: { wanted?: string }): Promise<string> {
    if (process.platform !== 'linux') return '127.0.0.1';
    const known = this.#byPod.get(podUid);
    if (known !== undefined) return formatAddress(this.#first + known);
    const offset = this.#claim(wanted);
    this.#byPod.set(podUid, offset);
    return formatAddress(this.#first + offset);
  }

  async detach(podUid: string): Promise<void> {
    const offset = this.#byPod.get(podUid);
    if (offset === undefined) return;
    this.#byPod.delete(podUid);
    this.#taken.delete(offset);
  }

  /** Addresses are given round, so that one that was freed rests before it is used again. The first and last two are left out. */
  #claim(wanted: string | undefined): number {
    const preferred = wanted === undefined ? -1 : parseAddress(wanted) - this.#first;
    if (preferred >= 2 && preferred < this.#size - 1 && !this.#taken.has(preferred)) {
      this.#taken.add(preferred);
      return preferred;
    }
    const usable = this.#size - 3;
    for (let tries = 0; tries < usable; tries++) {
      const offset = 2 + ((this.#next + tries) % usable);
      if (this.#taken.has(offset)) continue;
      this.#next = offset - 1;
      this.#taken.add(offset);
      return offset;
    }
    throw new Error(`no address is left in ${this.cidr}`);
  }
}

/**
 * The range of a node by its data directory: 127.64.0.0/24 to 127.191.255.0/24. Nodes of one machine share the loopback interface, so that two
 * with one range would take each other's ports.
 */
export function loopbackRangeOf(dataDirectory: string): string {
  const [first = 0, second = 0] = createHash('sha256').update(dataDirectory).digest();
  return `127.${64 + (first % 128)}.${second}.0/24`;
}

function parseAddress(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

function formatAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}
