import type { StoreEvent } from './store.ts';

/** The revision of the write that an event tells of. */
export function eventRevision(event: StoreEvent): number {
  return event.type === 'put' ? event.entry.modRevision : event.revision;
}

/** The key that an event is about. */
export function eventKey(event: StoreEvent): string {
  return event.type === 'put' ? event.entry.key : event.key;
}
