import { formatApiVersion } from '../api/object.ts';
import { encodeText } from '../lib/bytes.ts';
import { protobufListFrame } from '../wire/object-protobuf.ts';
import type { CachedObject } from './cached-object.ts';
import type { Shape } from './shape.ts';
import { byteLength } from './shared-bytes.ts';

/** A list's own metadata. */
export interface ListMeta {
  readonly resourceVersion: string;
  readonly continue?: string;
  readonly remainingItemCount?: number;
}

const comma = encodeText(',');
export const listTail = encodeText(']}\n');

/** `{"kind":"PodList",…,"items":[` with each object's bytes behind it: nothing is parsed, and nothing copied. */
export function encodeJsonList(shape: Shape, objects: readonly CachedObject[], meta: ListMeta): Uint8Array[] {
  const parts: Uint8Array[] = [encodeText(listHead(shape, meta))];
  for (const object of objects) {
    if (parts.length > 1) parts.push(comma);
    parts.push(shape.json(object));
  }
  parts.push(listTail);
  return parts;
}

export function listHead({ listGvk: { group, version, kind } }: Shape, meta: ListMeta): string {
  const apiVersion = formatApiVersion(group, version);
  return `{"kind":"${kind}","apiVersion":"${apiVersion}","metadata":${JSON.stringify(meta)},"items":[`;
}

/** The same in protobuf: messages are encoded once for each object. */
export function encodeProtobufList(shape: Shape, objects: readonly CachedObject[], listMeta: ListMeta): Uint8Array[] {
  const items = objects.map((object) => shape.listItem(object));
  const { head, tail } = protobufListFrame(shape.listGvk, { listMeta, itemsLength: byteLength(items) });
  return [head, ...items, tail];
}
