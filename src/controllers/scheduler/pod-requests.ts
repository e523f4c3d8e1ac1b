import type { Container, Pod } from '../../api/kubernetes/core-v1.ts';
import { parseQuantity, quantityToMilli, quantityToNumber } from '../../api/quantity.ts';

/** Amounts by resource name: `cpu` in thousandths, all others in whole units. */
export type Amounts = ReadonlyMap<string, number>;

export function parseAmounts(list: Readonly<Record<string, string>> | undefined): Map<string, number> {
  const amounts = new Map<string, number>();
  for (const [name, text] of Object.entries(list ?? {})) {
    const quantity = parseQuantity(text);
    amounts.set(name, name === 'cpu' ? quantityToMilli(quantity) : Math.ceil(quantityToNumber(quantity)));
  }
  return amounts;
}

/**
 * What a pod asks its node for: the sum of its containers and sidecars, or the most that one init container needs
 * beside the sidecars started before it, plus the overhead.
 * Source: k8s.io/component-helpers `resource.PodRequests`.
 */
export function podRequests({ spec }: Pod): Map<string, number> {
  const total = new Map<string, number>();
  for (const container of spec?.containers ?? []) add(total, requestsOf(container));
  const sidecars = new Map<string, number>();
  const initPeak = new Map<string, number>();
  for (const container of spec?.initContainers ?? []) {
    const requests = requestsOf(container);
    if (container.restartPolicy === 'Always') {
      add(total, requests);
      add(sidecars, requests);
      raise(initPeak, sidecars);
    } else {
      const now = new Map(sidecars);
      add(now, requests);
      raise(initPeak, now);
    }
  }
  raise(total, initPeak);
  raise(total, parseAmounts(spec?.resources?.requests));
  add(total, parseAmounts(spec?.overhead));
  return total;
}

export function add(to: Map<string, number>, amounts: Amounts, sign = 1): void {
  for (const [name, amount] of amounts) to.set(name, (to.get(name) ?? 0) + sign * amount);
}

function raise(to: Map<string, number>, amounts: Amounts): void {
  for (const [name, amount] of amounts) to.set(name, Math.max(to.get(name) ?? 0, amount));
}

function requestsOf({ resources }: Container): Map<string, number> {
  return parseAmounts(resources?.requests);
}
