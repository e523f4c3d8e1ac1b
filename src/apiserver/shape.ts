import { formatApiVersion, type GroupVersionKind } from '../api/object.ts';
import { concatBytes } from '../lib/bytes.ts';
import { encodeProtobufItem, protobufItemPrefix } from '../wire/object-protobuf.ts';
import { partialMetadataItem } from '../wire/partial-metadata-codec.ts';
import type { CachedObject } from './cached-object.ts';
import type { Transform } from './negotiation.ts';
import type { ServedResource } from './served-resource.ts';

/** How objects of a resource look to a client: whole, or their metadata alone; in one version. Bytes are made once for each object. */
export interface Shape {
  /** Equal for equal shapes of one resource. */
  readonly key: string;
  readonly gvk: GroupVersionKind;
  readonly listGvk: GroupVersionKind;
  json(object: CachedObject): Buffer;
  /** The protobuf message without an envelope. */
  message(object: CachedObject): Uint8Array;
  /** The same with the tag and length that it has in a list. */
  listItem(object: CachedObject): Uint8Array;
}

/** The whole object, or its metadata. */
export function shapeOf(
  resource: ServedResource,
  { transform, metaVersion }: { transform: Transform; metaVersion: string },
): Shape {
  return transform === 'partial' ? partialShape(resource, metaVersion) : wholeShape(resource);
}

function wholeShape(resource: ServedResource): Shape {
  const { info, versionKey } = resource;
  const listGvk = { group: info.group, version: info.version, kind: info.listKind };
  return {
    key: versionKey,
    gvk: info,
    listGvk,
    json: (object) => resource.json(object),
    ...messages(`message ${versionKey}`, listGvk, (object) => encodeProtobufItem(resource.object(object), info.model)),
  };
}

function partialShape(resource: ServedResource, metaVersion: string): Shape {
  const group = 'meta.k8s.io';
  const gvk = { group, version: metaVersion, kind: 'PartialObjectMetadata' };
  const listGvk = { ...gvk, kind: 'PartialObjectMetadataList' };
  const apiVersion = formatApiVersion(group, metaVersion);
  const key = `partial ${metaVersion}`;
  return {
    key,
    gvk,
    listGvk,
    json: (object) =>
      object.derive(key, () => {
        const { metadata } = resource.object(object);
        return Buffer.from(JSON.stringify({ kind: gvk.kind, apiVersion, metadata }));
      }),
    ...messages(`message ${key}`, listGvk, (object) =>
      encodeProtobufItem({ metadata: resource.object(object).metadata }, partialMetadataItem),
    ),
  };
}

/** Both protobuf forms from one buffer: the message is the list item without its prefix. */
function messages(
  key: string,
  listGvk: GroupVersionKind,
  encode: (object: CachedObject) => Uint8Array,
): Pick<Shape, 'message' | 'listItem'> {
  const both = (object: CachedObject) =>
    object.derive(key, () => {
      const message = encode(object);
      const prefix = protobufItemPrefix(listGvk, message.length);
      return { listItem: concatBytes([prefix, message]), prefixLength: prefix.length };
    });
  return {
    listItem: (object) => both(object).listItem,
    message(object) {
      const { listItem, prefixLength } = both(object);
      return listItem.subarray(prefixLength);
    },
  };
}
