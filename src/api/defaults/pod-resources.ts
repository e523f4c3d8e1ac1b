import { objectAt, objectsAt } from '../json-object.ts';
import type { JsonObject } from '../object.ts';
import {
  addQuantities,
  compareQuantities,
  formatQuantity,
  parseQuantity,
  type Quantity,
  QuantityError,
} from '../quantity.ts';

/**
 * Requests of the pod as a whole, where its spec has `resources`: what its containers ask for together, or else its limits.
 * Source: `defaultPodRequests` of `pkg/apis/core/v1/defaults.go`.
 */
export function defaultPodRequests(spec: JsonObject): void {
  const resources = objectAt(spec, 'resources');
  if (resources === undefined) return;
  const requests: JsonObject = { ...objectAt(resources, 'requests') };
  for (const [name, amount] of aggregateRequests(spec)) {
    if (requests[name] === undefined && isPodLevel(name)) requests[name] = formatQuantity(amount);
  }
  for (const [name, amount] of Object.entries(objectAt(resources, 'limits') ?? {})) {
    if (requests[name] === undefined && isPodLevel(name)) requests[name] = amount;
  }
  if (Object.keys(requests).length > 0) resources['requests'] = requests;
}

type Amounts = Map<string, Quantity>;

/** Containers run together; init containers one after the other, beside the sidecars that were started before them. */
function aggregateRequests(spec: JsonObject): Amounts {
  const total: Amounts = new Map();
  const sidecars: Amounts = new Map();
  const peak: Amounts = new Map();
  for (const container of objectsAt(spec, 'containers')) add(total, requestsOf(container));
  for (const container of objectsAt(spec, 'initContainers')) {
    const requests = requestsOf(container);
    if (container['restartPolicy'] === 'Always') {
      add(total, requests);
      add(sidecars, requests);
      raise(peak, sidecars);
    } else {
      const together = new Map(sidecars);
      add(together, requests);
      raise(peak, together);
    }
  }
  raise(total, peak);
  return total;
}

function requestsOf(container: JsonObject): Amounts {
  const amounts: Amounts = new Map();
  for (const [name, text] of Object.entries(objectAt(objectAt(container, 'resources'), 'requests') ?? {})) {
    try {
      amounts.set(name, parseQuantity(String(text)));
    } catch (error) {
      // Decoding has refused what is no quantity; an object that never was decoded is validation's to judge.
      if (!(error instanceof QuantityError)) throw error;
    }
  }
  return amounts;
}

function add(sum: Amounts, amounts: Amounts): void {
  for (const [name, amount] of amounts) {
    const known = sum.get(name);
    sum.set(name, known === undefined ? amount : addQuantities(known, amount));
  }
}

function raise(most: Amounts, amounts: Amounts): void {
  for (const [name, amount] of amounts) {
    const known = most.get(name);
    if (known === undefined || compareQuantities(amount, known) > 0) most.set(name, amount);
  }
}

function isPodLevel(name: string): boolean {
  return name === 'cpu' || name === 'memory' || name.startsWith('hugepages-');
}
