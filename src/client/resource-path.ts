import type { ListOptions, ObjectRef, ResourceRef } from './client.ts';

/** `/apis/apps/v1/namespaces/default/deployments`, or the object's path where `ref` has a name. */
export function resourcePath({ group, version, resource }: ResourceRef, ref: Partial<ObjectRef> = {}): string {
  let path = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  if (ref.namespace !== undefined && ref.namespace !== '') path += `/namespaces/${encodeURIComponent(ref.namespace)}`;
  path += `/${resource}`;
  if (ref.name !== undefined) path += `/${encodeURIComponent(ref.name)}`;
  if (ref.subresource !== undefined) path += `/${ref.subresource}`;
  return path;
}

/** The query of a list or watch, with its question mark, or `''`. */
export function listQuery(options: ListOptions, extra: Readonly<Record<string, string>> = {}): string {
  const query = new URLSearchParams(extra);
  if (options.labelSelector) query.set('labelSelector', options.labelSelector);
  if (options.fieldSelector) query.set('fieldSelector', options.fieldSelector);
  if (options.resourceVersion !== undefined) query.set('resourceVersion', options.resourceVersion);
  if (options.limit !== undefined) query.set('limit', String(options.limit));
  if (options.continue) query.set('continue', options.continue);
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}
