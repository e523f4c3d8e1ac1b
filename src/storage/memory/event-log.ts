import type { StoreEvent } from '../store.ts';
import { eventKey, eventRevision } from '../store-event.ts';

/** What one event costs besides key and value, roughly. */
const eventOverheadBytes = 200;

/** The remembered writes, oldest first. Revisions have no gaps, so a revision is a position. */
export class EventLog {
  #events: StoreEvent[] = [];
  #bytes = 0;

  get length(): number {
    return this.#events.length;
  }

  /** Roughly how much memory the log keeps alive. */
  get bytes(): number {
    return this.#bytes;
  }

  append(event: StoreEvent): void {
    this.#events.push(event);
    this.#bytes += eventBytes(event);
  }

  /** Events after revision `after`, up to and including `upTo`. */
  slice(after: number, upTo: number): readonly StoreEvent[] {
    const first = this.#events[0];
    if (!first) return [];
    const base = eventRevision(first);
    return this.#events.slice(Math.max(after + 1 - base, 0), Math.max(upTo + 1 - base, 0));
  }

  /** Forgets the events up to and including `revision` and returns them. */
  dropUpTo(revision: number): readonly StoreEvent[] {
    const first = this.#events[0];
    if (!first) return [];
    const dropped = this.#events.splice(0, Math.max(revision + 1 - eventRevision(first), 0));
    for (const event of dropped) this.#bytes -= eventBytes(event);
    return dropped;
  }

  /** The revision up to which events have to go so that at most `bytes` stay. */
  revisionToShrinkTo(bytes: number): number {
    let excess = this.#bytes - bytes;
    let revision = 0;
    for (const event of this.#events) {
      if (excess <= 0) break;
      excess -= eventBytes(event);
      revision = eventRevision(event);
    }
    return revision;
  }
}

function eventBytes(event: StoreEvent): number {
  const value = event.type === 'put' ? event.entry.value.length : event.previous.value.length;
  return value + eventKey(event).length + eventOverheadBytes;
}
