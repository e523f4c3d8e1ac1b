import { concatBytes, encodeText } from '../lib/bytes.ts';
import type { CachedObject } from './cached-object.ts';
import type { ServedResource } from './served-resource.ts';

/** A list's own metadata. */
export interface ListMeta {
  readonly resourceVersion: string;
  readonly continue?: string;
  readonly remainingItemCount?: number;
}

const comma = encodeText(',');
const tail = encodeText(']}\n');

/** `{"kind":"PodList",…,"items":[` with each object's bytes behind it, joined: nothing is parsed. */
export function encodeJsonList(resource: ServedResource, objects: readonly CachedObject[], meta: ListMeta): Uint8Array {
  const parts: Uint8Array[] = [encodeText(listHead(resource, meta))];
  for (const object of objects) {
    if (parts.length > 1) parts.push(comma);
    parts.push(resource.json(object));
  }
  parts.push(tail);
  return concatBytes(parts);
}

export function listHead({ info, apiVersion }: ServedResource, meta: ListMeta): string {
  return `{"kind":"${info.listKind}","apiVersion":"${apiVersion}","metadata":${JSON.stringify(meta)},"items":[`;
}
