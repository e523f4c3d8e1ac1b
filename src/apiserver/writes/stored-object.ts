import { isDeepStrictEqual } from 'node:util';
import { conflict, notFound } from '../../api/errors.ts';
import type { JsonKubeObject } from '../../api/object.ts';
import { StoreError } from '../../storage/store.ts';
import { CachedObject, encodeStored } from '../cached-object.ts';
import type { ServedResource } from '../served-resource.ts';
import type { ApiServices } from '../services.ts';

/** An optimistic write lost against this state; `undefined`: against a deletion. */
export class LostRace {
  readonly current: CachedObject | undefined;
  constructor(current: CachedObject | undefined) {
    this.current = current;
  }
}

/** How often a read-modify-write is repeated. */
const maxAttempts = 20;

/**
 * Reads, changes and writes until no other write comes between.
 * @throws {ApiError} `NotFound`; `Conflict` when others were always faster
 */
export async function untilWon<T extends object>(
  { resource, namespace, name }: { resource: ServedResource; namespace: string; name: string },
  attempt: (stored: CachedObject) => Promise<T | LostRace>,
): Promise<T> {
  let stored = currentObject(resource, namespace, name);
  for (let attempts = 0; attempts < maxAttempts; attempts++) {
    const outcome = await attempt(stored);
    if (!(outcome instanceof LostRace)) return outcome;
    if (!outcome.current) throw notFound(resource.info, name);
    stored = outcome.current;
  }
  throw conflict(resource.info, name);
}

/** Replaces what is stored at `old`'s revision. */
export async function replaceStored(
  services: ApiServices,
  resource: ServedResource,
  { old, object }: { old: CachedObject; object: JsonKubeObject },
): Promise<CachedObject | LostRace> {
  const stored = encodeStored(object);
  const { namespace, name, id, createRevision } = old;
  const leaseId = resource.storage.resource === 'events' ? await services.eventLeases.next() : undefined;
  try {
    const revision = await services.store.put(resource.key(namespace, name), stored, {
      expected: old.revision,
      ...(leaseId !== undefined && { leaseId }),
    });
    await services.feed.reach(revision);
    const cached = resource.cache.get(namespace, name);
    return cached?.revision === revision ? cached : new CachedObject({ id, stored, revision, createRevision });
  } catch (error) {
    return lostRace(error, old);
  }
}

/** Deletes what is stored at `old`'s revision; gives it back with the revision of the deletion. */
export async function deleteStored(
  services: ApiServices,
  resource: ServedResource,
  old: CachedObject,
): Promise<CachedObject | LostRace> {
  try {
    const key = resource.key(old.namespace, old.name);
    const { revision } = await services.store.delete(key, { expected: old.revision });
    await services.feed.reach(revision);
    return old.deletedAt(revision);
  } catch (error) {
    return lostRace(error, old);
  }
}

/** What the cache has now. @throws {ApiError} `NotFound` */
export function currentObject(resource: ServedResource, namespace: string, name: string): CachedObject {
  const found = resource.cache.get(namespace, name);
  if (!found) throw notFound(resource.info, name);
  return found;
}

/** Whether writing `object` over `old` would change nothing. */
export function isUnchanged(old: CachedObject, object: JsonKubeObject): boolean {
  const { metadata, ...rest } = object;
  const { metadata: oldMetadata, ...oldRest } = old.object;
  const { resourceVersion: _new, ...kept } = metadata;
  const { resourceVersion: _old, ...oldKept } = oldMetadata;
  return isDeepStrictEqual(kept, oldKept) && isDeepStrictEqual(rest, oldRest);
}

function lostRace(error: unknown, old: CachedObject): LostRace {
  if (!(error instanceof StoreError)) throw error;
  if (error.reason === 'NotFound') return new LostRace(undefined);
  if (error.reason !== 'Conflict') throw error;
  const { current } = error;
  if (!current) return new LostRace(undefined);
  const { value, modRevision: revision, createRevision } = current;
  return new LostRace(new CachedObject({ id: old.id, stored: value, revision, createRevision }));
}
