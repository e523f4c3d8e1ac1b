import { conflict } from '../../api/errors.ts';
import type { JsonKubeObject, JsonObject } from '../../api/object.ts';
import { formatTime } from '../../lib/clock.ts';
import { admitAll, validateAll } from '../admission/run-admission.ts';
import type { CachedObject } from '../cached-object.ts';
import type { ServedResource } from '../served-resource.ts';
import type { ApiServices } from '../services.ts';
import { currentObject, deleteStored, LostRace, replaceStored, untilWon } from './stored-object.ts';
import { finalizersOf } from './update-object.ts';
import { admissionAttributes, strategyContext, type WriteRequest } from './write-request.ts';
import type { Written } from './written.ts';

/** `kept`: finalizers or grace keep the object for now. */
export type Deletion = { readonly kept: boolean; readonly result: Written };

/**
 * Deletes an object, or marks it when finalizers, foreground deletion or a grace period keep it. `request.options` are DeleteOptions.
 * @throws {ApiError}
 */
export function deleteObject(services: ApiServices, request: WriteRequest): Promise<Deletion> {
  return untilWon(request, (stored) => deleteOnce(services, request, stored));
}

async function deleteOnce(
  services: ApiServices,
  request: WriteRequest,
  stored: CachedObject,
): Promise<Deletion | LostRace> {
  const { resource, options, dryRun } = request;
  const { strategy } = resource;
  const old = stored.object;
  const newer = await checkPreconditions(services, request, stored);
  if (newer) return new LostRace(newer);
  const context = strategyContext(services, request);
  const attributes = admissionAttributes(request, { operation: 'DELETE', object: undefined, oldObject: old });
  await admitAll(services.admission, attributes);
  strategy.checkDelete?.(old, options, context);
  await validateAll(services.admission, attributes);

  const marked = mark(services, request, stored);
  if (marked === 'pending') return { kept: true, result: { stored: true, object: stored } };
  if (marked) {
    if (dryRun) return { kept: true, result: { stored: false, object: marked } };
    const result = await replaceStored(services, resource, { old: stored, object: marked });
    return result instanceof LostRace ? result : { kept: true, result: { stored: true, object: result } };
  }
  if (dryRun) return { kept: false, result: { stored: false, object: old } };
  const result = await deleteStored(services, resource, stored);
  if (result instanceof LostRace) return result;
  strategy.afterDelete?.(old, context);
  return { kept: false, result: { stored: true, object: result } };
}

/** The object as it stays for now; `pending` when it is being deleted already and nothing changes; `undefined` to delete it at once. */
function mark(
  services: ApiServices,
  { resource, options }: WriteRequest,
  stored: CachedObject,
): JsonKubeObject | 'pending' | undefined {
  const { strategy } = resource;
  const old = stored.object;
  const requested = typeof options['gracePeriodSeconds'] === 'number' ? options['gracePeriodSeconds'] : undefined;
  const seconds = strategy.gracePeriodSeconds?.(old, requested) ?? 0;
  const finalizers = strategy.ignoresPropagation ? finalizersOf(old) : propagate(finalizersOf(old), options);
  const finalizersChange = finalizers.join() !== finalizersOf(old).join();
  const keeps = finalizers.length > 0 || (strategy.keepsWhileDeleting?.(old) ?? false);
  const deleting = old.metadata['deletionTimestamp'] !== undefined;
  const remaining = Number(old.metadata['deletionGracePeriodSeconds'] ?? 0);

  if (deleting && remaining > 0 && (seconds >= remaining || seconds < 0)) {
    if (!finalizersChange) return 'pending';
    return { ...old, metadata: { ...old.metadata, finalizers } };
  }
  if (seconds === 0 && !keeps) return undefined;
  if (deleting && seconds >= remaining && !finalizersChange) return 'pending';

  const start = deleting
    ? Date.parse(String(old.metadata['deletionTimestamp'])) - remaining * 1000
    : services.clock.now();
  const generation = old.metadata['generation'];
  const grows = !deleting && typeof generation === 'number' && generation > 0;
  const metadata: JsonObject = {
    ...old.metadata,
    deletionTimestamp: formatTime(start + seconds * 1000),
    deletionGracePeriodSeconds: seconds,
    ...(grows && { generation: generation + 1 }),
  };
  if (finalizers.length > 0) metadata['finalizers'] = finalizers;
  else delete metadata['finalizers'];
  const object = { ...old, metadata };
  strategy.markDeleting?.(object);
  return object;
}

const orphan = 'orphan';
const foreground = 'foregroundDeletion';

/** The finalizers that make the garbage collector treat dependents as asked. */
function propagate(finalizers: readonly string[], options: JsonObject): string[] {
  const policy = options['propagationPolicy'];
  const orphanDependents = options['orphanDependents'];
  const unsaid = policy === undefined && orphanDependents === undefined;
  const orphans = policy === 'Orphan' || orphanDependents === true || (unsaid && finalizers.includes(orphan));
  const foregrounds = policy === 'Foreground' || (unsaid && finalizers.includes(foreground));
  const kept = finalizers.filter((name) => name !== orphan && name !== foreground);
  return [...kept, ...(orphans ? [orphan] : []), ...(foregrounds ? [foreground] : [])];
}

/** Gives the newer state to try again on. @throws {ApiError} `Conflict` */
async function checkPreconditions(
  services: ApiServices,
  { resource, namespace, name, options }: WriteRequest,
  stored: CachedObject,
): Promise<CachedObject | undefined> {
  const wanted = (options['preconditions'] ?? {}) as { uid?: string; resourceVersion?: string };
  const uid = stored.object.metadata['uid'];
  const version = String(stored.revision);
  const otherUid = wanted.uid !== undefined && wanted.uid !== '' && wanted.uid !== uid;
  const otherVersion =
    wanted.resourceVersion !== undefined && wanted.resourceVersion !== '' && wanted.resourceVersion !== version;
  if (!otherUid && !otherVersion) return undefined;
  await services.feed.reachNewest();
  const newest = currentObject(resource, namespace, name);
  if (newest.revision !== stored.revision) return newest;
  throw mismatch(
    resource,
    name,
    otherUid
      ? { what: 'UID', wanted: wanted.uid, found: uid }
      : { what: 'ResourceVersion', wanted: wanted.resourceVersion, found: version },
  );
}

function mismatch(
  { info }: ServedResource,
  name: string,
  { what, wanted, found }: { what: 'UID' | 'ResourceVersion'; wanted: unknown; found: unknown },
): Error {
  const maybe = what === 'UID' ? 'deleted and then recreated' : 'modified';
  return conflict(
    { group: info.group, resource: info.kind },
    name,
    `the ${what} in the precondition (${wanted}) does not match the ${what} in record (${found}). The object might have been ${maybe}`,
  );
}
