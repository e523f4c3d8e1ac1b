import { objectAt, objectsAt, setDefault } from '../json-object.ts';
import type { JsonObject } from '../object.ts';

/** `resource.k8s.io` claims, in every version: requests are for one exact device unless they say otherwise. */
export function defaultClaimSpec(spec: JsonObject | undefined): void {
  for (const request of objectsAt(objectAt(spec, 'devices'), 'requests')) {
    const alternatives = objectsAt(request, 'firstAvailable');
    for (const alternative of alternatives) defaultRequest(alternative);
    const exactly = objectAt(request, 'exactly');
    if (exactly !== undefined) defaultRequest(exactly);
    // v1beta1 holds the fields of `exactly` in the request itself.
    else if (request['deviceClassName'] !== undefined) defaultRequest(request);
  }
}

function defaultRequest(request: JsonObject): void {
  setDefault(request, 'allocationMode', 'ExactCount');
  if (request['allocationMode'] === 'ExactCount') setDefault(request, 'count', 1);
  for (const toleration of objectsAt(request, 'tolerations')) setDefault(toleration, 'operator', 'Equal');
}
