import type { Lease } from '../../api/kubernetes/coordination-v1.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { agentAddressAnnotation, isLeaseValid, parseServerAddress, type ServerAddress } from './lease-validity.ts';

export interface LeaseCounterOptions {
  /** The leases of the servers. @throws where it cannot know them now */
  readonly list: () => Iterable<Lease>;
  readonly log: Logger;
  readonly clock?: Clock;
}

/** Counts and finds servers by their leases. What was known last holds as long as the leases cannot be read. */
export class LeaseCounter {
  readonly #options: LeaseCounterOptions;
  readonly #clock: Clock;
  #lastCount = 1;
  #complained = false;
  #lastAddresses: readonly ServerAddress[] = [];

  constructor(options: LeaseCounterOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Valid leases, at least 1. */
  count(): number {
    this.#read();
    return this.#lastCount;
  }

  /** Of the servers that record where agents reach them, each once. */
  addresses(): readonly ServerAddress[] {
    this.#read();
    return this.#lastAddresses;
  }

  #read(): void {
    try {
      const nowMs = this.#clock.now();
      const valid = [...this.#options.list()].filter((lease) => isLeaseValid(lease, nowMs));
      this.#lastCount = Math.max(1, valid.length);
      const written = valid.map(({ metadata }) => metadata?.annotations?.[agentAddressAnnotation] ?? '');
      this.#complained = false;
      this.#lastAddresses = [...new Set(written)].sort().flatMap((text) => parseServerAddress(text) ?? []);
    } catch (error) {
      if (this.#complained) return;
      this.#complained = true;
      this.#options.log.debug('Cannot read the leases of servers; the last count holds', {
        count: this.#lastCount,
        error,
      });
    }
  }
}

export type ServerCountSource = 'default' | 'max';

/** How many servers there are, from what servers say and, where they are counted, their leases. At least 1. */
export function serverCount(
  source: ServerCountSource,
  { announced, leased }: { announced: number; leased: number | undefined },
): number {
  const count = source === 'max' ? Math.max(announced, leased ?? 0) : (leased ?? announced);
  return Math.max(1, count);
}
