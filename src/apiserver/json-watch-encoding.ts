import { concatBytes, encodeText } from '../lib/bytes.ts';
import type { ServedResource } from './served-resource.ts';
import type { WatchEncoding, WatchEventType } from './watch-encoding.ts';

const heads: Readonly<Record<WatchEventType, Uint8Array>> = {
  ADDED: encodeText('{"type":"ADDED","object":'),
  MODIFIED: encodeText('{"type":"MODIFIED","object":'),
  DELETED: encodeText('{"type":"DELETED","object":'),
};
const tail = encodeText('}\n');

/** One JSON document per line, around the object's own bytes. */
export function jsonWatchEncoding(resource: ServedResource): WatchEncoding {
  const { info, apiVersion } = resource;
  return {
    key: `json ${resource.versionKey}`,
    contentType: 'application/json',
    headed: false,
    event: (type, object) => concatBytes([heads[type], resource.json(object), tail]),
    bookmark: (revision, initialEnd) =>
      jsonEvent('BOOKMARK', bookmarkObject(info.kind, apiVersion, { revision, initialEnd })),
    error: (status) => jsonEvent('ERROR', status),
  };
}

export function jsonEvent(type: string, object: object): Uint8Array {
  return encodeText(`${JSON.stringify({ type, object })}\n`);
}

/** An empty object of the watched kind: typed clients drop bookmarks of another one. */
export function bookmarkObject(
  kind: string,
  apiVersion: string,
  { revision, initialEnd }: { revision: number; initialEnd: boolean },
): object {
  const annotations = initialEnd ? { 'k8s.io/initial-events-end': 'true' } : undefined;
  return {
    kind,
    apiVersion,
    metadata: { resourceVersion: String(revision), creationTimestamp: null, ...(annotations && { annotations }) },
  };
}
