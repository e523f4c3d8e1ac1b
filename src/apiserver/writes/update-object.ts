import { isDeepStrictEqual } from 'node:util';
import { conflict, notFound } from '../../api/errors.ts';
import { type FieldError, forbiddenField, invalid, invalidObject } from '../../api/field-error.ts';
import type { JsonKubeObject } from '../../api/object.ts';
import { admitAll, validateAll } from '../admission/run-admission.ts';
import type { CachedObject } from '../cached-object.ts';
import type { ServedResource } from '../served-resource.ts';
import type { ApiServices } from '../services.ts';
import type { Reservation } from '../strategy.ts';
import { deleteStored, isUnchanged, LostRace, replaceStored, untilWon } from './stored-object.ts';
import { limitUpdate } from './update-scope.ts';
import { validateMetadata } from './validate-metadata.ts';
import { admissionAttributes, strategyContext, type WriteRequest } from './write-request.ts';
import type { Written } from './written.ts';

export interface UpdateRequest extends WriteRequest {
  /**
   * The object as it shall be, in its storage version, made from what is stored. It is changed afterwards, so it shares nothing
   * with `old` that is changed. Called again when another write came first.
   */
  readonly compute: (old: CachedObject) => JsonKubeObject | Promise<JsonKubeObject>;
  /** PUT: without a resourceVersion it overwrites only where the strategy allows. A patch is made from what is stored. */
  readonly replaces: boolean;
}

/** Reads, changes and writes until no other write comes between. @throws {ApiError} */
export function updateObject(services: ApiServices, request: UpdateRequest): Promise<Written> {
  return untilWon(request, (stored) => updateOnce(services, request, stored));
}

async function updateOnce(
  services: ApiServices,
  request: UpdateRequest,
  stored: CachedObject,
): Promise<Written | LostRace> {
  const { resource, dryRun } = request;
  const { strategy } = resource;
  const object = await request.compute(stored);
  const newer = await checkPreconditions(services, request, { object, stored });
  if (newer) return new LostRace(newer);

  const old = stored.object;
  await admitAll(services.admission, admissionAttributes(request, { operation: 'UPDATE', object, oldObject: old }));
  restoreMetadata(object, old);
  const separateStatus = strategy.separateStatus ?? resource.storage.subresources.has('status');
  limitUpdate(object, old, { subresource: request.subresource, separateStatus });
  const context = strategyContext(services, request);
  strategy.prepareForUpdate?.(object, old, context);
  countGeneration(resource, object, old);
  const reservation = await strategy.reserve?.(object, old, context);
  try {
    const errors = [...metadataErrors(request, object, old), ...semanticErrors(request, object, old, context)];
    if (errors.length > 0) throw invalidObject(resource.storage, request.name, errors);
    for (const warning of strategy.warnings?.(object, old, context) ?? []) request.warn(warning);
    await validateAll(
      services.admission,
      admissionAttributes(request, { operation: 'UPDATE', object, oldObject: old }),
    );

    const ends = endsDeletion(resource, object, old);
    if (dryRun) {
      reservation?.rollback();
      object.metadata['resourceVersion'] = String(stored.revision);
      return { stored: false, object };
    }
    if (!ends && isUnchanged(stored, object)) {
      reservation?.rollback();
      return { stored: true, object: stored };
    }
    const result = ends
      ? await deleteStored(services, resource, stored)
      : await replaceStored(services, resource, { old: stored, object });
    settle(reservation, result);
    if (result instanceof LostRace) return result;
    if (ends) strategy.afterDelete?.(old, context);
    return { stored: true, object: result };
  } catch (error) {
    reservation?.rollback();
    throw error;
  }
}

function settle(reservation: Reservation | undefined, result: CachedObject | LostRace): void {
  if (result instanceof LostRace) reservation?.rollback();
  else reservation?.commit();
}

/** Gives the newer state to try again on, where the cache turned out to be behind. @throws {ApiError} `Conflict`, `Invalid` */
async function checkPreconditions(
  services: ApiServices,
  { resource, name, namespace, replaces }: UpdateRequest,
  { object, stored }: { object: JsonKubeObject; stored: CachedObject },
): Promise<CachedObject | undefined> {
  const version = object.metadata['resourceVersion'];
  const uid = object.metadata['uid'];
  const given = typeof version === 'string' && version !== '' && version !== '0';
  if (!given && replaces && resource.strategy.allowUnconditionalUpdate === false) {
    const errors = [invalid('metadata.resourceVersion', 0, 'must be specified for an update')];
    throw invalidObject(resource.storage, name, errors);
  }
  const stale = given && version !== String(stored.revision);
  const other = typeof uid === 'string' && uid !== '' && uid !== stored.object.metadata['uid'];
  if (!stale && !other) return undefined;
  await services.feed.reachNewest();
  const newest = resource.cache.get(namespace, name);
  if (!newest) throw notFound(resource.info, name);
  if (newest.revision !== stored.revision) return newest;
  if (stale) throw conflict(resource.info, name);
  throw conflict(
    resource.info,
    name,
    `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${stored.object.metadata['uid']}`,
  );
}

/** What no update changes. */
function restoreMetadata({ metadata }: JsonKubeObject, { metadata: old }: Readonly<JsonKubeObject>): void {
  for (const field of keptMetadata) {
    const value = old[field];
    if (value === undefined) delete metadata[field];
    else metadata[field] = value;
  }
}

const keptMetadata = [
  'name',
  'namespace',
  'uid',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'generation',
  'generateName',
  'selfLink',
  'managedFields',
];

function countGeneration({ strategy }: ServedResource, object: JsonKubeObject, old: Readonly<JsonKubeObject>): void {
  const { generation = 'none' } = strategy;
  if (generation === 'none') return;
  const changed =
    generation === 'spec'
      ? !isDeepStrictEqual(object['spec'], old['spec'])
      : !isDeepStrictEqual({ ...object, metadata: {}, status: {} }, { ...old, metadata: {}, status: {} });
  if (changed) object.metadata['generation'] = Number(old.metadata['generation'] ?? 0) + 1;
}

function metadataErrors(
  { resource }: UpdateRequest,
  object: JsonKubeObject,
  old: Readonly<JsonKubeObject>,
): FieldError[] {
  const errors = validateMetadata(object, resource);
  if (old.metadata['deletionTimestamp'] === undefined) return errors;
  const had = finalizersOf(old);
  const added = finalizersOf(object).filter((name) => !had.includes(name));
  if (added.length > 0) {
    const list = `[]string{${added.map((name) => JSON.stringify(name)).join(', ')}}`;
    const detail = `no new finalizers can be added if the object is being deleted, found new finalizers ${list}`;
    errors.push(forbiddenField('metadata.finalizers', detail));
  }
  return errors;
}

function semanticErrors(
  { resource: { strategy }, trusted }: UpdateRequest,
  object: JsonKubeObject,
  old: Readonly<JsonKubeObject>,
  context: ReturnType<typeof strategyContext>,
): FieldError[] {
  if (trusted) return [];
  return strategy.validateUpdate?.(object, old, context) ?? strategy.validate?.(object, context) ?? [];
}

/** The last finalizer of a deleted object has gone with this update. */
function endsDeletion({ strategy }: ServedResource, object: JsonKubeObject, old: Readonly<JsonKubeObject>): boolean {
  if (old.metadata['deletionTimestamp'] === undefined) return false;
  if (Number(old.metadata['deletionGracePeriodSeconds'] ?? 0) !== 0) return false;
  return finalizersOf(object).length === 0 && !strategy.keepsWhileDeleting?.(object);
}

export function finalizersOf({ metadata }: Readonly<JsonKubeObject>): string[] {
  const list = metadata['finalizers'];
  return Array.isArray(list) ? list.filter((name) => typeof name === 'string') : [];
}
