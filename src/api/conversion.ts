import { autoscalerToV1, autoscalerToV2 } from './conversion/autoscaler.ts';
import { convertEvent } from './conversion/event.ts';
import { convertDeviceResource } from './conversion/resource-claim.ts';
import { formatApiVersion, type JsonKubeObject } from './object.ts';
import type { ResourceInfo } from './resource-info.ts';

type Version = Pick<ResourceInfo, 'group' | 'version' | 'kind'>;

/** Turns an object of one version of a resource into another one. The argument is not changed; the result shares what is equal. */
export function convertObject(object: JsonKubeObject, from: Version, to: Version): JsonKubeObject {
  if (from.group === to.group && from.version === to.version) return object;
  const converted = convertShape(object, from, to);
  const { kind: _kind, apiVersion: _apiVersion, metadata, ...rest } = converted;
  return { kind: to.kind, apiVersion: formatApiVersion(to.group, to.version), metadata, ...rest };
}

/** Whether two versions of a resource differ in nothing but `apiVersion`. */
export function sameShape(from: Version, to: Version): boolean {
  if (from.group !== to.group) return false;
  if (from.version === to.version) return true;
  if (from.kind === 'HorizontalPodAutoscaler') return false;
  const nested = ['ResourceClaim', 'ResourceClaimTemplate', 'ResourceSlice'].includes(from.kind);
  return !nested || (from.version === 'v1beta1') === (to.version === 'v1beta1');
}

function convertShape(object: JsonKubeObject, from: Version, to: Version): JsonKubeObject {
  if (from.kind === 'Event') return convertEvent(object, to);
  if (from.kind === 'HorizontalPodAutoscaler')
    return to.version === 'v1' ? autoscalerToV1(object) : autoscalerToV2(object);
  if (from.group === 'resource.k8s.io') {
    return convertDeviceResource(object, { kind: from.kind, from: from.version, to: to.version });
  }
  return object;
}
