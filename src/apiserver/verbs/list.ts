import { ApiError } from '../../api/errors.ts';
import { prefixEnd, StoreError } from '../../storage/store.ts';
import { CachedObject } from '../cached-object.ts';
import type { ListMeta } from '../list-encoding.ts';
import type { ServedResource } from '../served-resource.ts';
import type { ApiServices } from '../services.ts';
import { matches, type ObjectFilter } from '../watch-encoding.ts';
import { answerList } from './answer-list.ts';
import { encodeContinue, parseContinue } from './continue-token.ts';
import { parseVersion } from './get.ts';
import { expired, filterOf, type ListOptions, parseListOptions } from './list-options.ts';
import type { ResourceRequest } from './request.ts';

export async function list({ services, context, resource }: ResourceRequest): Promise<void> {
  const { exchange, info } = context;
  const options = parseListOptions(exchange.query, { watch: false });
  const filter = filterOf(resource, info, options);
  const page = await readPage(services, { resource, filter, options });
  await answerList(exchange, { resource, ...page });
}

export interface Page {
  readonly objects: readonly CachedObject[];
  readonly meta: ListMeta;
}

interface PageRequest {
  readonly resource: ServedResource;
  readonly filter: ObjectFilter;
  readonly options: ListOptions;
}

/** One page of a list, at the revision that its options ask for. @throws {ApiError} `Expired`, `Timeout` */
export async function readPage(services: ApiServices, request: PageRequest): Promise<Page> {
  const { options } = request;
  const { feed } = services;
  if (options.continue !== '') return continued(services, request);
  const version = options.resourceVersion === '' ? undefined : parseVersion(options.resourceVersion);
  const exact = options.match === 'Exact' || (options.match === '' && options.limit > 0 && (version ?? 0) > 0);
  const wait = version === undefined ? feed.reachNewest() : feed.reach(version);
  if (wait) await wait;
  if (exact && version !== undefined && version !== feed.revision) {
    return fromStore(services, request, { revision: version, start: '' });
  }
  return fromCache(services, request, { unlimited: version === 0 && options.match === '' });
}

function fromCache(
  services: ApiServices,
  { resource, filter, options }: PageRequest,
  { unlimited }: { unlimited: boolean },
): Page {
  const revision = services.feed.revision;
  const all = resource.cache.select(filter);
  const { limit } = options;
  if (limit === 0 || unlimited || all.length <= limit)
    return { objects: all, meta: { resourceVersion: String(revision) } };
  const objects = all.slice(0, limit);
  return { objects, meta: pageMeta({ filter, revision, last: objects.at(-1), remaining: all.length - limit }) };
}

async function continued(services: ApiServices, request: PageRequest): Promise<Page> {
  const token = parseContinue(request.options.continue);
  await services.feed.reachNewest();
  const { revision } = services.feed;
  // A token of revision -1 goes on at whatever is newest, and says so: what it gives does not fit what came before.
  if (token.revision === -1 || token.revision === revision) {
    const all = request.resource.cache.select(request.filter);
    const rest = all.slice(firstAt(all, token.start));
    const limit = request.options.limit || rest.length;
    const objects = rest.slice(0, limit);
    const remaining = rest.length - objects.length;
    if (remaining === 0) return { objects, meta: { resourceVersion: String(revision) } };
    return { objects, meta: pageMeta({ filter: request.filter, revision, last: objects.at(-1), remaining }) };
  }
  return fromStore(services, request, token);
}

/** Reads the past. With selectors it goes on until the page is full. */
async function fromStore(
  services: ApiServices,
  { resource, filter, options }: PageRequest,
  { revision, start }: { revision: number; start: string },
): Promise<Page> {
  const prefix = resource.storage.storagePrefix + (filter.namespace === undefined ? '' : `${filter.namespace}/`);
  const end = prefixEnd(prefix);
  const first = resource.storage.storagePrefix + start;
  const limit = options.limit || Number.POSITIVE_INFINITY;
  const objects: CachedObject[] = [];
  let from = first.startsWith(prefix) ? first : prefix; // a key of another namespace cannot come first
  try {
    for (;;) {
      const want = filter.selects || filter.name !== undefined ? Math.max(500, options.limit) : options.limit;
      const range = await services.store.range({
        start: from,
        end,
        revision,
        ...(options.limit > 0 && { limit: want }),
      });
      for (const [index, entry] of range.entries.entries()) {
        const id = entry.key.slice(resource.storage.storagePrefix.length);
        const object = new CachedObject({
          id,
          stored: entry.value,
          revision: entry.modRevision,
          createRevision: entry.createRevision,
        });
        if (!matches(filter, object)) continue;
        objects.push(object);
        const remaining = range.count - index - 1;
        if (objects.length === limit && remaining > 0) {
          return { objects, meta: pageMeta({ filter, revision, last: object, remaining }) };
        }
      }
      const last = range.entries.at(-1);
      if (!range.more || !last) return { objects, meta: { resourceVersion: String(revision) } };
      from = `${last.key}\0`;
    }
  } catch (error) {
    if (error instanceof StoreError && error.reason === 'Compacted') throw tooOld(options, start);
    throw error;
  }
}

function pageMeta(init: {
  filter: ObjectFilter;
  revision: number;
  last: CachedObject | undefined;
  remaining: number;
}): ListMeta {
  const { filter, revision, last, remaining } = init;
  return {
    resourceVersion: String(revision),
    continue: encodeContinue({ revision, start: `${last?.id}\0` }),
    ...(filter.selects === undefined && filter.name === undefined && { remainingItemCount: remaining }),
  };
}

/** The index of the first object at or behind `start`. */
function firstAt(objects: readonly CachedObject[], start: string): number {
  let low = 0;
  let high = objects.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((objects[middle] as CachedObject).id < start) low = middle + 1;
    else high = middle;
  }
  return low;
}

function tooOld(options: ListOptions, start: string): ApiError {
  if (options.continue === '') return expired('The resourceVersion for the provided list is too old.');
  const token = encodeContinue({ revision: -1, start });
  const message =
    'The provided continue parameter is too old to display a consistent list result. You can start a new list without ' +
    'the continue parameter, or use the continue token in this response to retrieve the remainder of the results. ' +
    'Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted ' +
    'between the time the first chunk was returned and now may show up in the list.';
  return new ExpiredContinue(message, token);
}

/** Carries the token to go on with into the `Status`. */
class ExpiredContinue extends ApiError {
  readonly #token: string;

  constructor(message: string, token: string) {
    super('Expired', message);
    this.#token = token;
  }

  override get status(): ApiError['status'] {
    return { ...super.status, metadata: { continue: this.#token } as unknown as Record<string, never> };
  }
}
