import { formatApiVersion, type GroupVersionKind } from '../api/object.ts';
import { encodeProtobufItem } from '../wire/object-protobuf.ts';
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
  return {
    key: versionKey,
    gvk: info,
    listGvk: { group: info.group, version: info.version, kind: info.listKind },
    json: (object) => resource.json(object),
    message: (object) =>
      object.derive(`message ${versionKey}`, () => encodeProtobufItem(resource.object(object), info.model)),
  };
}

function partialShape(resource: ServedResource, metaVersion: string): Shape {
  const group = 'meta.k8s.io';
  const gvk = { group, version: metaVersion, kind: 'PartialObjectMetadata' };
  const apiVersion = formatApiVersion(group, metaVersion);
  return {
    key: `partial ${metaVersion}`,
    gvk,
    listGvk: { ...gvk, kind: 'PartialObjectMetadataList' },
    json: (object) =>
      object.derive(`partial ${metaVersion}`, () => {
        const { metadata } = resource.object(object);
        return Buffer.from(JSON.stringify({ kind: gvk.kind, apiVersion, metadata }));
      }),
    message: (object) =>
      object.derive('partial message', () =>
        encodeProtobufItem({ metadata: resource.object(object).metadata }, partialMetadataItem),
      ),
  };
}
