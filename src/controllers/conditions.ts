/** What the conditions of all resources have in common. */
export interface AnyCondition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
}

export function findCondition<C extends AnyCondition>(
  conditions: readonly C[] | undefined,
  type: string,
): C | undefined {
  return conditions?.find((condition) => condition.type === type);
}

/** The list with `next` in it. An unchanged status keeps its transition time; nothing changed keeps the list itself. */
export function withCondition<C extends AnyCondition>(conditions: readonly C[] | undefined, next: C): C[] {
  const present = conditions ?? [];
  const old = findCondition(present, next.type);
  if (old && old.status === next.status && old.reason === next.reason && old.message === next.message) {
    return present as C[]; // unchanged, and never written to
  }
  const kept = old?.status === next.status ? { ...next, lastTransitionTime: old.lastTransitionTime } : next;
  return [...present.filter(({ type }) => type !== next.type), kept as C];
}

export function withoutCondition<C extends AnyCondition>(conditions: readonly C[] | undefined, type: string): C[] {
  return (conditions ?? []).filter((condition) => condition.type !== type);
}
