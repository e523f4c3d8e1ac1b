import { defaultAutoscalerV1, defaultAutoscalerV2 } from './defaults/autoscaling.ts';
import { coreDefaults } from './defaults/core.ts';
import { extensionDefaults } from './defaults/extensions.ts';
import { policyDefaults } from './defaults/policies.ts';
import { defaultClaimSpec } from './defaults/resource-claims.ts';
import { applySchemaDefaults } from './defaults/schema-defaults.ts';
import { workloadDefaults } from './defaults/workloads.ts';
import { objectAt } from './json-object.ts';
import type { GroupVersionKind, JsonObject } from './object.ts';
import { scheme } from './scheme.ts';

/**
 * Fills in what upstream's defaulting fills in on every decode, **in place**, and returns the object: structs and zeros that Go always writes,
 * the defaults of the schema, and those of the kind. What only a create sets (a namespace's finalizers, a pod's service account,
 * allocated addresses) belongs to strategies and admission.
 */
export function applyDefaults<T extends JsonObject>(object: T, gvk: GroupVersionKind): T {
  const model = scheme.modelFor(gvk);
  if (model !== undefined) applySchemaDefaults(object, model);
  defaulterOf(gvk)?.(object);
  return object;
}

function defaulterOf({ group, version, kind }: GroupVersionKind): ((object: JsonObject) => void) | undefined {
  switch (group) {
    case '':
      return coreDefaults[kind];
    case 'apps':
    case 'batch':
      return workloadDefaults[kind];
    case 'autoscaling':
      if (kind !== 'HorizontalPodAutoscaler') return undefined;
      return version === 'v1' ? defaultAutoscalerV1 : defaultAutoscalerV2;
    case 'resource.k8s.io':
      if (kind === 'ResourceClaim') return (object) => defaultClaimSpec(objectAt(object, 'spec'));
      if (kind === 'ResourceClaimTemplate') {
        return (object) => defaultClaimSpec(objectAt(objectAt(object, 'spec'), 'spec'));
      }
      return undefined;
    default:
      return policyDefaults[`${kind}.${group}`] ?? extensionDefaults[`${kind}.${group}`];
  }
}
