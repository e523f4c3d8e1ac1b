import type { KubeObject } from '../api/object.ts';
import { keyOf } from '../client/object-index.ts';
import type { Clock } from '../lib/clock.ts';

/** After this time an informer's answer is believed again. */
const believeAfterMs = 60_000;

interface Pending {
  /** Object key to time: written, not yet seen by the informer. */
  readonly created: Map<string, number>;
  /** uid to object key and time. */
  readonly deleted: Map<string, { key: string; atMs: number }>;
}

interface Source {
  get(key: string): KubeObject | undefined;
}

/** What a controller has created or deleted and its informer has not shown yet, so that nothing is done twice. */
export class PendingWrites {
  readonly #pending = new Map<string, Pending>();
  readonly #clock: Clock;

  constructor({ clock }: { clock: Clock }) {
    this.#clock = clock;
  }

  created(owner: string, object: KubeObject): void {
    this.#of(owner).created.set(keyOf(object), this.#clock.now());
  }

  deleted(owner: string, object: KubeObject): void {
    this.#of(owner).deleted.set(object.metadata?.uid ?? '', { key: keyOf(object), atMs: this.#clock.now() });
  }

  /** Whether `informer` shows all of the owner's writes. If not, its next event is worth another look. */
  settled(owner: string, informer: Source): boolean {
    const pending = this.#pending.get(owner);
    if (!pending) return true;
    const oldest = this.#clock.now() - believeAfterMs;
    for (const [key, atMs] of pending.created) if (atMs < oldest || informer.get(key)) pending.created.delete(key);
    for (const [uid, { key, atMs }] of pending.deleted) {
      const present = informer.get(key)?.metadata;
      if (atMs < oldest || present?.uid !== uid || present.deletionTimestamp) pending.deleted.delete(uid);
    }
    if (pending.created.size + pending.deleted.size > 0) return false;
    this.#pending.delete(owner);
    return true;
  }

  forget(owner: string): void {
    this.#pending.delete(owner);
  }

  #of(owner: string): Pending {
    const known = this.#pending.get(owner);
    if (known) return known;
    const pending: Pending = { created: new Map(), deleted: new Map() };
    this.#pending.set(owner, pending);
    return pending;
  }
}
