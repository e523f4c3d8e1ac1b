import type { JsonValue } from '../object.ts';

/** What tells an element of a list from the others: its merge key's value, or the scalar itself. */
export type Identify = (element: JsonValue) => string;

/**
 * Puts the elements of a merged list in order: those of the patch as the patch has them, those that only the server has relative to their old
 * neighbours, as far as that goes together.
 * Source: `normalizeElementOrder` of `k8s.io/apimachinery/pkg/util/strategicpatch`.
 */
export function orderElements(
  merged: readonly JsonValue[],
  {
    patchOrder,
    serverOrder,
    identify,
  }: {
    readonly patchOrder: readonly JsonValue[];
    readonly serverOrder: readonly JsonValue[];
    readonly identify: Identify;
  },
): JsonValue[] {
  const patchRank = rank(patchOrder, identify);
  const serverRank = rank(serverOrder, identify);
  const byRank = (ranks: ReadonlyMap<string, number>) => (a: JsonValue, b: JsonValue) =>
    (ranks.get(identify(a)) ?? 0) - (ranks.get(identify(b)) ?? 0);
  const patched = merged.filter((element) => patchRank.has(identify(element))).toSorted(byRank(patchRank));
  const serverOnly = merged.filter((element) => !patchRank.has(identify(element))).toSorted(byRank(serverRank));

  const result: JsonValue[] = [];
  let next = 0;
  for (const element of patched) {
    const place = serverRank.get(identify(element));
    // A server's element goes before the first element of the patch that it preceded in the document.
    for (; place !== undefined && next < serverOnly.length; next++) {
      const candidate = serverOnly[next] ?? null;
      if ((serverRank.get(identify(candidate)) ?? Number.POSITIVE_INFINITY) > place) break;
      result.push(candidate);
    }
    result.push(element);
  }
  return [...result, ...serverOnly.slice(next)];
}

/** Whether `list` has its elements in the order in which `order` has them, and no others. */
export function followsOrder(list: readonly JsonValue[], order: readonly JsonValue[], identify: Identify): boolean {
  const ranks = rank(order, identify);
  let last = -1;
  for (const element of list) {
    const place = ranks.get(identify(element));
    if (place === undefined || place < last) return false;
    last = place;
  }
  return true;
}

function rank(order: readonly JsonValue[], identify: Identify): Map<string, number> {
  const ranks = new Map<string, number>();
  for (const [index, element] of order.entries()) {
    const id = identify(element);
    if (!ranks.has(id)) ranks.set(id, index);
  }
  return ranks;
}
