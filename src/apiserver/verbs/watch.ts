import { ApiError } from '../../api/errors.ts';
import type { Exchange } from '../exchange.ts';
import { negotiate } from '../negotiation.ts';
import type { ServedResource } from '../served-resource.ts';
import { shapeOf } from '../shape.ts';
import { jsonWatchEncoding, protobufWatchEncoding } from '../shape-watch-encoding.ts';
import { LazyShared } from '../shared-bytes.ts';
import { includeObject, tableWatchEncoding } from '../table.ts';
import type { WatchStart } from '../watch-cache.ts';
import type { WatchEncoding } from '../watch-encoding.ts';
import { parseVersion } from './get.ts';
import { filterOf, type ListOptions, parseListOptions } from './list-options.ts';
import type { ResourceRequest } from './request.ts';

/** Watches what a list of the same target would show. */
export async function watch({ services, context, resource }: ResourceRequest): Promise<void> {
  const { exchange, info } = context;
  const options = parseListOptions(exchange.query, { watch: true });
  const filter = filterOf(resource, info, options);
  const encoding = encodingOf(exchange, resource);

  const { minTimeoutSeconds, maxQueueBytes, onOverflow } = services.watch;
  const timeoutSeconds = options.timeoutSeconds || minTimeoutSeconds * (1 + Math.random());
  const start = startOf(options);
  const headers = { 'content-type': encoding.contentType };
  const wait = waitFor(options, services.feed);
  if (wait) await wait;

  const sink = exchange.events(200, headers);
  const watcher = resource.cache.watch(sink, {
    filter,
    encoding,
    start,
    bookmarks: options.allowWatchBookmarks,
    timeoutMs: timeoutSeconds * 1000,
    maxQueueBytes,
    onOverflow: () => onOverflow(resource.info),
  });
  if ('oldestRevision' in watcher) {
    const message = `too old resource version: ${options.resourceVersion} (${watcher.oldestRevision})`;
    sink.write(new LazyShared(encoding.error(new ApiError('Expired', message).status)));
    sink.end();
    return;
  }
  await new Promise<void>((resolve) => sink.onClose(resolve));
}

/** @throws {ApiError} `NotAcceptable` */
function encodingOf(exchange: Exchange, resource: ServedResource): WatchEncoding {
  const negotiated = negotiate(exchange);
  const { format, transform } = negotiated;
  if (format === 'yaml') {
    throw new ApiError(
      'NotAcceptable',
      'only the following media types are accepted: application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch',
    );
  }
  if (transform === 'table')
    return tableWatchEncoding(resource, {
      metaVersion: negotiated.metaVersion,
      include: includeObject(exchange.query),
    });
  const shape = shapeOf(resource, negotiated);
  return format === 'protobuf' ? protobufWatchEncoding(shape) : jsonWatchEncoding(shape);
}

/** A snapshot is as new as asked for; without a version as new as can be, except with the version 0. */
function waitFor(
  { resourceVersion }: ListOptions,
  feed: ResourceRequest['services']['feed'],
): Promise<void> | undefined {
  return resourceVersion === '' ? feed.reachNewest() : feed.reach(parseVersion(resourceVersion));
}

function startOf({ resourceVersion, sendInitialEvents, allowWatchBookmarks }: ListOptions): WatchStart {
  // Watches of old clients get the bookmark behind their initial events too, as upstream sends it.
  const snapshot = { from: 'snapshot', endBookmark: allowWatchBookmarks } as const;
  if (sendInitialEvents === true) return snapshot;
  if (sendInitialEvents === false && (resourceVersion === '' || resourceVersion === '0')) return { from: 'now' };
  if (resourceVersion === '' || resourceVersion === '0') return snapshot;
  return { from: 'revision', revision: parseVersion(resourceVersion) };
}
