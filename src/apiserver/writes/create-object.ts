import { randomUUID } from 'node:crypto';
import { ApiError, alreadyExists, badRequest } from '../../api/errors.ts';
import { invalidObject } from '../../api/field-error.ts';
import type { JsonKubeObject, JsonObject } from '../../api/object.ts';
import { formatTime } from '../../lib/clock.ts';
import { type Entry, StoreError } from '../../storage/store.ts';
import { admitAll, validateAll } from '../admission/run-admission.ts';
import { CachedObject, encodeStored } from '../cached-object.ts';
import type { ServedResource } from '../served-resource.ts';
import type { ApiServices } from '../services.ts';
import type { Reservation } from '../strategy.ts';
import { generateName } from './object-names.ts';
import { validateMetadata } from './validate-metadata.ts';
import { admissionAttributes, strategyContext, type WriteRequest } from './write-request.ts';
import type { Written } from './written.ts';

/** How often another name is tried for `generateName`. */
const maxNameAttempts = 8;

/**
 * Creates `object`, which is decoded, defaulted and in its storage version, and is changed on the way.
 * @throws {ApiError}
 */
export async function createObject(
  services: ApiServices,
  request: WriteRequest,
  object: JsonKubeObject,
): Promise<Written> {
  const { resource, namespace, dryRun } = request;
  prepareMetadata(services, request, object);
  const givenName = textOf(object.metadata['name']);
  await admitAll(
    services.admission,
    admissionAttributes(request, { operation: 'CREATE', object, oldObject: undefined, name: givenName }),
  );

  const base = givenName === '' ? textOf(object.metadata['generateName']) : '';
  for (let attempt = 1; ; attempt++) {
    if (base !== '') object.metadata['name'] = generateName(base);
    const name = textOf(object.metadata['name']);
    const reservation = await prepare(services, request, object, name);
    try {
      const attributes = admissionAttributes(request, { operation: 'CREATE', object, oldObject: undefined, name });
      await validateAll(services.admission, attributes);
      if (dryRun) {
        refuseExisting(resource, namespace, name);
        reservation?.rollback();
        return { stored: false, object };
      }
      const stored = await put(services, resource, { object, namespace, name });
      reservation?.commit();
      return { stored: true, object: stored };
    } catch (error) {
      reservation?.rollback();
      const taken = error instanceof ApiError && error.reason === 'AlreadyExists';
      if (!taken || base === '') throw error;
      if (attempt === maxNameAttempts) throw exhausted(error);
    }
  }
}

/** Everything between mutating and validating admission. */
async function prepare(
  services: ApiServices,
  request: WriteRequest,
  object: JsonKubeObject,
  name: string,
): Promise<Reservation | undefined> {
  const { resource } = request;
  const { strategy, storage } = resource;
  const context = strategyContext(services, request, name);
  if (strategy.separateStatus ?? storage.subresources.has('status')) delete object['status'];
  if (strategy.generation === 'spec' || strategy.generation === 'object') object.metadata['generation'] = 1;
  else delete object.metadata['generation'];
  strategy.prepareForCreate?.(object, context);
  const reservation = await strategy.reserve?.(object, undefined, context);
  try {
    const semantic = request.trusted ? [] : (strategy.validate?.(object, context) ?? []);
    const errors = [...validateMetadata(object, resource), ...semantic];
    if (errors.length > 0) throw invalidObject(storage, name, errors);
    for (const warning of strategy.warnings?.(object, undefined, context) ?? []) request.warn(warning);
  } catch (error) {
    reservation?.rollback();
    throw error;
  }
  return reservation;
}

function prepareMetadata(services: ApiServices, { resource, namespace }: WriteRequest, object: JsonKubeObject): void {
  const { metadata } = object;
  if (textOf(metadata['resourceVersion']) !== '') {
    throw new ApiError('', 'resourceVersion should not be set on objects to be created');
  }
  for (const field of serverOwned) delete metadata[field];
  const given = textOf(metadata['namespace']);
  if (given !== '' && given !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  object.metadata = {
    // In upstream's order, which is what people read.
    ...(metadata['name'] !== undefined && { name: metadata['name'] }),
    ...(metadata['generateName'] !== undefined && { generateName: metadata['generateName'] }),
    ...(resource.info.namespaced && { namespace }),
    uid: randomUUID(),
    creationTimestamp: formatTime(services.clock.now()),
    ...without(metadata, 'name', 'generateName', 'namespace'),
  };
}

const serverOwned = [
  'uid',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'selfLink',
  'generation',
  'resourceVersion',
  'managedFields',
];

async function put(
  services: ApiServices,
  resource: ServedResource,
  { object, namespace, name }: { object: JsonKubeObject; namespace: string; name: string },
): Promise<CachedObject> {
  const stored = encodeStored(object);
  const leaseId = resource.storage.resource === 'events' ? await services.eventLeases.next() : undefined;
  let revision: number;
  try {
    revision = await services.store.put(resource.key(namespace, name), stored, {
      expected: 0,
      ...(leaseId !== undefined && { leaseId }),
    });
  } catch (error) {
    if (error instanceof StoreError && error.reason === 'Conflict') throw existing(resource, name, error.current);
    throw error;
  }
  await services.feed.reach(revision);
  const cached = resource.cache.get(namespace, name);
  if (cached?.revision === revision) return cached;
  const id = namespace === '' ? name : `${namespace}/${name}`;
  return new CachedObject({ id, stored, revision, createRevision: revision });
}

function refuseExisting(resource: ServedResource, namespace: string, name: string): void {
  if (resource.cache.get(namespace, name)) throw existing(resource, name, undefined);
}

function existing({ info }: ServedResource, name: string, current: Entry | undefined): ApiError {
  const error = alreadyExists(info, name);
  const deleting = current !== undefined && Buffer.from(current.value).includes('"deletionTimestamp":"');
  if (!deleting) return error;
  return new ApiError('AlreadyExists', `object is being deleted: ${error.message}`, {
    ...(error.details && { details: error.details }),
  });
}

function exhausted(error: ApiError): ApiError {
  const message = `${error.message}, the server was not able to generate a unique name for the object`;
  return new ApiError('AlreadyExists', message, { details: { ...error.details, retryAfterSeconds: 1 } });
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function without(object: JsonObject, ...keys: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)));
}
