import { formatApiVersion, type GroupVersionKind } from '../api/object.ts';
import { concatBytes, encodeText } from '../lib/bytes.ts';
import { encodeProtobufObject, encodeProtobufWatchEvent, wrapProtobufObject } from '../wire/object-protobuf.ts';
import { contentTypes } from './negotiation.ts';
import type { Shape } from './shape.ts';
import type { WatchEncoding, WatchEventType } from './watch-encoding.ts';

const heads: Readonly<Record<WatchEventType, Uint8Array>> = {
  ADDED: encodeText('{"type":"ADDED","object":'),
  MODIFIED: encodeText('{"type":"MODIFIED","object":'),
  DELETED: encodeText('{"type":"DELETED","object":'),
};
const tail = encodeText('}\n');
const statusGvk = { group: '', version: 'v1', kind: 'Status' };

/** One JSON document per line, around the object's own bytes. */
export function jsonWatchEncoding(shape: Shape): WatchEncoding {
  return {
    key: `json ${shape.key}`,
    contentType: contentTypes.json,
    headed: false,
    event: (type, object) => concatBytes([heads[type], shape.json(object), tail]),
    addedParts: (object) => [heads.ADDED, shape.json(object), tail],
    bookmark: (revision, initialEnd) => jsonEvent('BOOKMARK', bookmarkObject(shape.gvk, { revision, initialEnd })),
    error: (status) => jsonEvent('ERROR', status),
  };
}

/** Frames of a length and a `WatchEvent` around the object in its envelope. */
export function protobufWatchEncoding(shape: Shape): WatchEncoding {
  const { gvk } = shape;
  return {
    key: `protobuf ${shape.key}`,
    contentType: `${contentTypes.protobuf};stream=watch`,
    headed: false,
    event: (type, object) => encodeProtobufWatchEvent(type, wrapProtobufObject(gvk, shape.message(object))),
    bookmark: (revision, initialEnd) =>
      encodeProtobufWatchEvent('BOOKMARK', encodeProtobufObject(bookmarkObject(gvk, { revision, initialEnd }), gvk)),
    error: (status) => encodeProtobufWatchEvent('ERROR', encodeProtobufObject(status, statusGvk)),
  };
}

export function jsonEvent(type: string, object: object): Uint8Array {
  return encodeText(`${JSON.stringify({ type, object })}\n`);
}

/** An empty object of the watched kind: typed clients drop bookmarks of another one. */
export function bookmarkObject(
  { group, version, kind }: GroupVersionKind,
  { revision, initialEnd }: { revision: number; initialEnd: boolean },
): object {
  const annotations = initialEnd ? { 'k8s.io/initial-events-end': 'true' } : undefined;
  return {
    kind,
    apiVersion: formatApiVersion(group, version),
    metadata: { resourceVersion: String(revision), creationTimestamp: null, ...(annotations && { annotations }) },
  };
}
