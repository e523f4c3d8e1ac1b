import { badRequest } from '../api/errors.ts';
import { formatApiVersion } from '../api/object.ts';
import { tableFor } from '../api/tables.ts';
import type { CachedObject } from './cached-object.ts';
import type { ListMeta } from './list-encoding.ts';
import { contentTypes } from './negotiation.ts';
import type { ServedResource } from './served-resource.ts';
import { bookmarkObject, jsonEvent } from './shape-watch-encoding.ts';
import type { WatchEncoding } from './watch-encoding.ts';

/** What each row carries of its object. */
export type IncludeObject = 'None' | 'Metadata' | 'Object';

export interface TableOptions {
  readonly metaVersion: string;
  readonly include: IncludeObject;
  readonly nowMs: number;
}

/** @throws {ApiError} `BadRequest` */
export function includeObject(query: URLSearchParams): IncludeObject {
  const asked = query.get('includeObject') ?? '';
  if (asked === '') return 'Metadata';
  if (asked === 'None' || asked === 'Metadata' || asked === 'Object') return asked;
  throw badRequest(`Invalid value: ${JSON.stringify(asked)}: includeObject must be None, Metadata or Object`);
}

/** Objects as rows of cells, as `kubectl get` prints them. */
export function encodeTable(
  resource: ServedResource,
  { objects, meta }: { objects: readonly CachedObject[]; meta: ListMeta },
  options: TableOptions,
): string {
  const columns = JSON.stringify(tableFor(resource.info).columns);
  const rows = objects.map((object) => rowOf(resource, object, options));
  return `{${head(options)},"metadata":${JSON.stringify(meta)},"columnDefinitions":${columns},"rows":[${rows.join(',')}]}\n`;
}

/** Each event is a table of one row; only the first one of a stream names the columns. */
export function tableWatchEncoding(
  resource: ServedResource,
  { metaVersion, include }: { metaVersion: string; include: IncludeObject },
): WatchEncoding {
  const table = (row: string, { revision, first, nowMs }: { revision: number; first: boolean; nowMs: number }) => {
    const columns = first ? JSON.stringify(tableFor(resource.info).columns) : 'null';
    const meta = JSON.stringify({ resourceVersion: String(revision) });
    return `{${head({ metaVersion, include, nowMs })},"metadata":${meta},"columnDefinitions":${columns},"rows":[${row}]}`;
  };
  return {
    key: `table ${metaVersion} ${include} ${resource.versionKey}`,
    contentType: contentTypes.json,
    headed: true,
    event(type, object, first) {
      const nowMs = Date.now();
      const row = rowOf(resource, object, { metaVersion, include, nowMs });
      return Buffer.from(`{"type":"${type}","object":${table(row, { revision: object.revision, first, nowMs })}}\n`);
    },
    bookmark(revision, initialEnd) {
      const gvk = { group: 'meta.k8s.io', version: metaVersion, kind: 'PartialObjectMetadata' };
      const row = JSON.stringify({ cells: [], object: bookmarkObject(gvk, { revision, initialEnd }) });
      return Buffer.from(`{"type":"BOOKMARK","object":${table(row, { revision, first: false, nowMs: 0 })}}\n`);
    },
    error: (status) => jsonEvent('ERROR', status),
  };
}

function head({ metaVersion }: TableOptions): string {
  return `"kind":"Table","apiVersion":"${formatApiVersion('meta.k8s.io', metaVersion)}"`;
}

function rowOf(resource: ServedResource, object: CachedObject, { include, metaVersion, nowMs }: TableOptions): string {
  const value = resource.object(object);
  const { cells, conditions } = tableFor(resource.info).row(value, nowMs);
  const start = `{"cells":${JSON.stringify(cells)}${conditions ? `,"conditions":${JSON.stringify(conditions)}` : ''},"object":`;
  if (include === 'None') return `${start}null}`;
  if (include === 'Object') return `${start}${resource.json(object).toString()}}`;
  const partial = object.derive(`row ${metaVersion}`, () =>
    JSON.stringify({
      kind: 'PartialObjectMetadata',
      apiVersion: formatApiVersion('meta.k8s.io', metaVersion),
      metadata: value.metadata,
    }),
  );
  return `${start}${partial}}`;
}
