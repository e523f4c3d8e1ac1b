import { formatApiVersion, type JsonKubeObject } from './object.ts';
import type { ResourceInfo } from './resource-info.ts';

/** Turns an object of one version of a resource into another one; shares what does not change. */
export function convertObject(object: JsonKubeObject, from: ResourceInfo, to: ResourceInfo): JsonKubeObject {
  if (from.group === to.group && from.version === to.version) return object;
  return { ...object, kind: to.kind, apiVersion: formatApiVersion(to.group, to.version) };
}
