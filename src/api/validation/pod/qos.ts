import type { PodSpec } from '../../kubernetes/core-v1.ts';
import { compareQuantities, parseQuantity } from '../../quantity.ts';

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

/** Guaranteed: every container has limits of CPU and memory and asks for as much. BestEffort: none asks for anything. */
export function qosClassOf(spec: Readonly<PodSpec>): QosClass {
  const containers = [...(spec.containers ?? []), ...(spec.initContainers ?? [])];
  const all = spec.resources ? [spec.resources] : containers.map(({ resources = {} }) => resources);
  let asks = false;
  let guaranteed = all.length > 0;
  for (const { requests = {}, limits = {} } of all) {
    for (const name of ['cpu', 'memory']) {
      const request = positive(requests[name]);
      const limit = positive(limits[name]);
      if (request || limit) asks = true;
      if (!limit || (request && compareQuantities(request, limit) !== 0)) guaranteed = false;
    }
  }
  if (!asks) return 'BestEffort';
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

function positive(text: unknown) {
  if (text === undefined) return undefined;
  const quantity = parseQuantity(String(text));
  return quantity.nano > 0n ? quantity : undefined;
}
