import type { Counter, Metrics } from '../../lib/metrics.ts';
import { type AddressRange, addressToNumber, formatAddress, type IpFamily } from './address-range.ts';
import { NumberAllocator } from './number-allocator.ts';

/** Outcome of asking for an address by name; the text is upstream's. */
export type TakeError = string | undefined;

/** Addresses of Services of one family. The first one is kept for `default/kubernetes`. */
export class ClusterIpAllocator {
  readonly family: IpFamily;
  readonly #range: AddressRange;
  readonly #numbers: NumberAllocator;
  readonly #allocations: Counter<string> | undefined;
  readonly #errors: Counter<string> | undefined;

  constructor(range: AddressRange, metrics?: Metrics) {
    const { cidr, family, first, last } = range;
    const size = last - first + 1n;
    this.family = family;
    this.#range = range;
    this.#numbers = new NumberAllocator({ first, last, staticBand: staticBand(size, { divisor: 16n, max: 256n }) });
    const subsystem = 'kube_apiserver_clusterip_allocator';
    const labels = ['cidr', 'scope'];
    metrics?.gauge({
      name: `${subsystem}_allocated_ips`,
      help: 'Gauge measuring the number of allocated IPs for Services',
      labels: ['cidr'],
      collect: (gauge) => gauge.set({ cidr }, this.#numbers.allocated),
    });
    metrics?.gauge({
      name: `${subsystem}_available_ips`,
      help: 'Gauge measuring the number of available IPs for Services',
      labels: ['cidr'],
      collect: (gauge) => gauge.set({ cidr }, Number(size) - this.#numbers.allocated),
    });
    this.#allocations = metrics?.counter({
      name: `${subsystem}_allocation_total`,
      help: 'Number of Cluster IPs allocations',
      labels,
    });
    this.#errors = metrics?.counter({
      name: `${subsystem}_allocation_errors_total`,
      help: 'Number of errors trying to allocate Cluster IPs',
      labels,
    });
  }

  /** Takes `address`, which is one of this family, for a write. */
  take(address: string, { isApiServer }: { isApiServer: boolean }): TakeError {
    const { cidr } = this.#range;
    const number = addressToNumber(address);
    let error: TakeError;
    if (!this.#numbers.includes(number)) {
      error = `the provided IP (${address}) is not in the valid range. The range of valid IPs is ${cidr}`;
    } else if ((number === this.#range.first && !isApiServer) || !this.#numbers.take(number)) {
      error = 'provided IP is already allocated';
    }
    (error === undefined ? this.#allocations : this.#errors)?.inc({ cidr, scope: 'static' });
    return error;
  }

  /** Takes any free address for a write; `undefined` when there is none. */
  takeNext(): string | undefined {
    const { cidr, first } = this.#range;
    let number = this.#numbers.takeNext();
    if (number === first) {
      // Nobody else's: look on while it is taken, then give it back.
      number = this.#numbers.takeNext();
      this.#numbers.release(first);
    }
    (number === undefined ? this.#errors : this.#allocations)?.inc({ cidr, scope: 'dynamic' });
    return number === undefined ? undefined : formatAddress(number, this.family);
  }

  release(address: string): void {
    this.#numbers.release(addressToNumber(address));
  }

  hold(address: string): void {
    this.#numbers.hold(addressToNumber(address));
  }

  free(address: string): void {
    this.#numbers.free(addressToNumber(address));
  }
}

/** Source: KEP-3070, `min(max(16, size / divisor), max)`, and nothing in a range that has not more than 16. */
export function staticBand(size: bigint, { divisor, max }: { divisor: bigint; max: bigint }): bigint {
  if (size <= 16n) return 0n;
  const share = size / divisor;
  return share < 16n ? 16n : share > max ? max : share;
}
