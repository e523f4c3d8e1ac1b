import { isJsonObject } from '../json-object.ts';
import type { JsonKubeObject, JsonObject, JsonValue } from '../object.ts';

/** `resource.k8s.io/v1beta1` says some things flat that later versions nest, and the other way round. */
export function convertDeviceResource(
  object: JsonKubeObject,
  { kind, from, to }: { kind: string; from: string; to: string },
): JsonKubeObject {
  if ((from === 'v1beta1') === (to === 'v1beta1')) return object;
  const older = to === 'v1beta1';
  const convertRequest = older ? flattenRequest : nestRequest;
  switch (kind) {
    case 'ResourceClaim':
      return changeAt(object, ['spec', 'devices', 'requests'], convertRequest);
    case 'ResourceClaimTemplate':
      return changeAt(object, ['spec', 'spec', 'devices', 'requests'], convertRequest);
    case 'ResourceSlice':
      return changeAt(object, ['spec', 'devices'], older ? nestDevice : flattenDevice);
    default:
      return object;
  }
}

/** Changes each object of the list at the path; everything else is shared. */
function changeAt<T extends JsonObject>(
  object: T,
  path: readonly string[],
  change: (item: JsonObject) => JsonObject,
): T {
  const [key, ...rest] = path;
  const value = key === undefined ? undefined : object[key];
  if (key === undefined || value === undefined) return object;
  let changed: JsonValue = value;
  if (rest.length > 0 && isJsonObject(value)) changed = changeAt(value, rest, change);
  else if (rest.length === 0 && Array.isArray(value)) {
    changed = value.map((item) => (isJsonObject(item) ? change(item) : item));
  }
  return { ...object, [key]: changed };
}

function nestRequest({ name, firstAvailable, ...exactly }: JsonObject): JsonObject {
  return {
    ...(name !== undefined && { name }),
    ...(firstAvailable !== undefined && { firstAvailable }),
    ...(Object.keys(exactly).length > 0 && { exactly }),
  };
}

function flattenRequest({ exactly, ...rest }: JsonObject): JsonObject {
  return isJsonObject(exactly) ? { ...rest, ...exactly } : rest;
}

function nestDevice({ name, ...basic }: JsonObject): JsonObject {
  return { ...(name !== undefined && { name }), basic };
}

function flattenDevice({ basic, ...rest }: JsonObject): JsonObject {
  return isJsonObject(basic) ? { ...rest, ...basic } : rest;
}
