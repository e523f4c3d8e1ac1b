import { ensureObject, objectAt, setDefault } from '../json-object.ts';
import type { JsonObject } from '../object.ts';

/** HorizontalPodAutoscaler v1. Its target is defaulted by conversion, which sees whether other metrics are set. */
export function defaultAutoscalerV1(object: JsonObject): void {
  setDefault(ensureObject(object, 'spec'), 'minReplicas', 1);
}

/** HorizontalPodAutoscaler v2. */
export function defaultAutoscalerV2(object: JsonObject): void {
  const spec = ensureObject(object, 'spec');
  setDefault(spec, 'minReplicas', 1);
  if (!Array.isArray(spec['metrics']) || spec['metrics'].length === 0) {
    const target = { type: 'Utilization', averageUtilization: 80 };
    spec['metrics'] = [{ type: 'Resource', resource: { name: 'cpu', target } }];
  }
  const behavior = objectAt(spec, 'behavior');
  if (behavior === undefined) return;
  const percent = { type: 'Percent', value: 100, periodSeconds: 15 };
  const up = ensureObject(behavior, 'scaleUp');
  setDefault(up, 'stabilizationWindowSeconds', 0);
  defaultRules(up, [{ type: 'Pods', value: 4, periodSeconds: 15 }, percent]);
  defaultRules(ensureObject(behavior, 'scaleDown'), [percent]);
}

function defaultRules(rules: JsonObject, policies: JsonObject[]): void {
  setDefault(rules, 'selectPolicy', 'Max');
  if (!Array.isArray(rules['policies']) || rules['policies'].length === 0) {
    rules['policies'] = policies.map((policy) => ({ ...policy }));
  }
}
