import { formatApiVersion } from '../api/object.ts';
import { concatBytes, encodeText } from '../lib/bytes.ts';
import { joinProtobufList } from '../wire/object-protobuf.ts';
import type { CachedObject } from './cached-object.ts';
import type { Shape } from './shape.ts';

/** A list's own metadata. */
export interface ListMeta {
  readonly resourceVersion: string;
  readonly continue?: string;
  readonly remainingItemCount?: number;
}

const comma = encodeText(',');
export const listTail = encodeText(']}\n');

/** `{"kind":"PodList",…,"items":[` with each object's bytes behind it, joined: nothing is parsed. */
export function encodeJsonList(shape: Shape, objects: readonly CachedObject[], meta: ListMeta): Uint8Array {
  const parts: Uint8Array[] = [encodeText(listHead(shape, meta))];
  for (const object of objects) {
    if (parts.length > 1) parts.push(comma);
    parts.push(shape.json(object));
  }
  parts.push(listTail);
  return concatBytes(parts);
}

export function listHead({ listGvk: { group, version, kind } }: Shape, meta: ListMeta): string {
  const apiVersion = formatApiVersion(group, version);
  return `{"kind":"${kind}","apiVersion":"${apiVersion}","metadata":${JSON.stringify(meta)},"items":[`;
}

/** The same in protobuf: messages encoded once for each object, joined. */
export function encodeProtobufList(shape: Shape, objects: readonly CachedObject[], meta: ListMeta): Uint8Array {
  return joinProtobufList(
    shape.listGvk,
    meta,
    objects.map((object) => shape.message(object)),
  );
}
