import { createHash } from 'node:crypto';
import { AddressRange } from './address-range.ts';
import type { PodNetwork } from './pod-network.ts';

/**
 * One loopback address for each pod: on Linux any address in 127.0.0.0/8 can be bound without set-up or rights. Pods share the
 * host's ports where they listen on all addresses. Elsewhere than on Linux all pods have 127.0.0.1.
 */
export class LoopbackPodNetwork implements PodNetwork {
  readonly cidr: string;
  readonly #range: AddressRange;

  /** @param cidr within 127.0.0.0/8, at least a /30 */
  constructor(cidr = '127.42.0.0/16') {
    this.cidr = cidr;
    if (!cidr.startsWith('127.')) throw new RangeError(`the pod range ${cidr} must lie in 127.0.0.0/8`);
    this.#range = new AddressRange(cidr);
  }

  async attach(podUid: string, { wanted }: { wanted?: string }): Promise<string> {
    return process.platform === 'linux' ? this.#range.claim(podUid, wanted) : '127.0.0.1';
  }

  async detach(podUid: string): Promise<void> {
    this.#range.release(podUid);
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
