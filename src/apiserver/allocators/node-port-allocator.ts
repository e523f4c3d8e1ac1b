import type { Counter, Metrics } from '../../lib/metrics.ts';
import { staticBand, type TakeError } from './cluster-ip-allocator.ts';
import { NumberAllocator } from './number-allocator.ts';

/** Ports of Services that every node listens on. A number is one Service's, whatever the protocol. */
export class NodePortAllocator {
  readonly #range: { readonly first: number; readonly last: number };
  readonly #numbers: NumberAllocator;
  readonly #allocations: Counter<string> | undefined;
  readonly #errors: Counter<string> | undefined;

  constructor(range: { readonly first: number; readonly last: number }, metrics?: Metrics) {
    this.#range = range;
    const [first, last] = [BigInt(range.first), BigInt(range.last)];
    const size = last - first + 1n;
    this.#numbers = new NumberAllocator({ first, last, staticBand: staticBand(size, { divisor: 32n, max: 128n }) });
    const subsystem = 'kube_apiserver_nodeport_allocator';
    metrics?.gauge({
      name: `${subsystem}_allocated_ports`,
      help: 'Gauge measuring the number of allocated NodePorts for Services',
      collect: (gauge) => gauge.set(this.#numbers.allocated),
    });
    metrics?.gauge({
      name: `${subsystem}_available_ports`,
      help: 'Gauge measuring the number of available NodePorts for Services',
      collect: (gauge) => gauge.set(Number(size) - this.#numbers.allocated),
    });
    this.#allocations = metrics?.counter({
      name: `${subsystem}_allocation_total`,
      help: 'Number of NodePort allocations',
      labels: ['scope'],
    });
    this.#errors = metrics?.counter({
      name: `${subsystem}_allocation_errors_total`,
      help: 'Number of errors trying to allocate NodePort',
      labels: ['scope'],
    });
  }

  /** Takes `port` for a write. */
  take(port: number): TakeError {
    const { first, last } = this.#range;
    let error: TakeError;
    if (port < first || port > last) {
      error = `provided port is not in the valid range. The range of valid ports is ${first}-${last}`;
    } else if (!this.#numbers.take(BigInt(port))) error = 'provided port is already allocated';
    (error === undefined ? this.#allocations : this.#errors)?.inc({ scope: 'static' });
    return error;
  }

  /** Takes any free port for a write; `undefined` when there is none. */
  takeNext(): number | undefined {
    const number = this.#numbers.takeNext();
    (number === undefined ? this.#errors : this.#allocations)?.inc({ scope: 'dynamic' });
    return number === undefined ? undefined : Number(number);
  }

  release(port: number): void {
    this.#numbers.release(BigInt(port));
  }

  hold(port: number): void {
    this.#numbers.hold(BigInt(port));
  }

  free(port: number): void {
    this.#numbers.free(BigInt(port));
  }
}
