import { createHash } from 'node:crypto';
import type { PodTemplateSpec } from '../../api/kubernetes/core-v1.ts';

export const hashLabel = 'pod-template-hash';
const alphabet = 'bcdfghjklmnpqrstvwxz2456789';

/** Ten characters that are safe in names and labels. The same template with the same collision count gives the same hash. */
export function templateHash(template: unknown, collisionCount = 0): string {
  const digest = createHash('sha256').update(stableJson(template)).update(String(collisionCount)).digest();
  return Array.from(digest.subarray(0, 10), (byte) => alphabet[byte % alphabet.length]).join('');
}

/** Whether two templates ask for the same pod; the hash label is ours and does not count. */
export function sameTemplate(a: PodTemplateSpec | undefined, b: PodTemplateSpec | undefined): boolean {
  return stableJson(withoutHash(a)) === stableJson(withoutHash(b));
}

function withoutHash(template: PodTemplateSpec | undefined): PodTemplateSpec {
  const { [hashLabel]: _, ...labels } = template?.metadata?.labels ?? {};
  return { ...template, metadata: { ...template?.metadata, labels } };
}

/** JSON with sorted keys; empty objects, empty lists and null say the same as absence. */
function stableJson(value: unknown): string {
  return (
    JSON.stringify(value, (_, inner: unknown) => {
      if (inner === null) return undefined;
      if (Array.isArray(inner)) return inner.length === 0 ? undefined : inner;
      if (typeof inner !== 'object') return inner;
      const entries = Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1));
      return entries.length === 0 ? undefined : Object.fromEntries(entries);
    }) ?? ''
  );
}
