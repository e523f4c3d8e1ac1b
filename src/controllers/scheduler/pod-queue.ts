import type { Pod } from '../../api/kubernetes/core-v1.ts';

/** Unschedulable pods are tried again after a change, at the soonest after this time, growing to the longest. As upstream. */
const firstBackoffMs = 1_000;
const maxBackoffMs = 10_000;

interface Waiting {
  pod: Pod;
  attempts: number;
  /** Not before this time. */
  notBeforeMs: number;
  /** Arrival, for order among equals. */
  readonly order: number;
}

/** Pods that wait for a node: those worth a try in order of priority, then arrival; the others until something changes. */
export class PodQueue {
  readonly #active = new Map<string, Waiting>();
  readonly #parked = new Map<string, Waiting>();
  #arrivals = 0;

  get size(): number {
    return this.#active.size + this.#parked.size;
  }

  /** A new or changed pod is worth a try at once. */
  add(pod: Pod): void {
    const uid = pod.metadata?.uid ?? '';
    const known = this.#active.get(uid) ?? this.#parked.get(uid);
    this.#parked.delete(uid);
    if (known) {
      known.pod = pod;
      this.#active.set(uid, known);
    } else this.#active.set(uid, { pod, attempts: 0, notBeforeMs: 0, order: this.#arrivals++ });
  }

  /** Keeps what is known about a pod that waits, without another try. */
  refresh(pod: Pod): void {
    const known = this.#active.get(pod.metadata?.uid ?? '') ?? this.#parked.get(pod.metadata?.uid ?? '');
    if (known) known.pod = pod;
  }

  has(uid: string): boolean {
    return this.#active.has(uid) || this.#parked.has(uid);
  }

  delete(uid: string): void {
    this.#active.delete(uid);
    this.#parked.delete(uid);
  }

  /** The cluster has changed: what could not be placed may fit now. */
  wakeAll(): void {
    for (const [uid, waiting] of this.#parked) this.#active.set(uid, waiting);
    this.#parked.clear();
  }

  /** The pod found no node. */
  park(pod: Pod, attempts: number, nowMs: number): void {
    const uid = pod.metadata?.uid ?? '';
    if (this.#active.has(uid)) return; // It has changed meanwhile.
    const backoffMs = Math.min(maxBackoffMs, firstBackoffMs * 2 ** Math.min(attempts - 1, 10));
    this.#parked.set(uid, { pod, attempts, notBeforeMs: nowMs + backoffMs, order: this.#arrivals++ });
  }

  /** Takes the first pod that is due, or tells how long until one is; undefined when nothing is worth a try. */
  take(nowMs: number): { pod: Pod; attempts: number } | { waitMs: number } | undefined {
    let best: Waiting | undefined;
    let soonest: number | undefined;
    for (const waiting of this.#active.values()) {
      if (waiting.notBeforeMs > nowMs) soonest = Math.min(soonest ?? waiting.notBeforeMs, waiting.notBeforeMs);
      else if (!best || comesBefore(waiting, best)) best = waiting;
    }
    if (best) {
      this.#active.delete(best.pod.metadata?.uid ?? '');
      return { pod: best.pod, attempts: best.attempts + 1 };
    }
    return soonest === undefined ? undefined : { waitMs: soonest - nowMs };
  }
}

function comesBefore(a: Waiting, b: Waiting): boolean {
  const [left, right] = [a.pod.spec?.priority ?? 0, b.pod.spec?.priority ?? 0];
  return left === right ? a.order < b.order : left > right;
}
