import { isJsonObject, objectAt, objectsAt } from '../json-object.ts';
import type { JsonKubeObject, JsonObject, JsonValue } from '../object.ts';
import { metricFromV1, metricToV1, withKeys } from './metric-spec.ts';

/** Where version 1 keeps what it has no field for. */
const annotation = {
  metrics: 'autoscaling.alpha.kubernetes.io/metrics',
  currentMetrics: 'autoscaling.alpha.kubernetes.io/current-metrics',
  conditions: 'autoscaling.alpha.kubernetes.io/conditions',
  behavior: 'autoscaling.alpha.kubernetes.io/behavior',
} as const;

const defaultCpuUtilization = 80;

/** HorizontalPodAutoscaler v1 to v2: the processor target and the annotations become metrics, conditions and behavior. */
export function autoscalerToV2(object: JsonKubeObject): JsonKubeObject {
  const annotations = objectAt(object.metadata, 'annotations') ?? {};
  const { targetCPUUtilizationPercentage: target, ...spec } = objectAt(object, 'spec') ?? {};
  const { currentCPUUtilizationPercentage: current, ...status } = objectAt(object, 'status') ?? {};
  const others = parseList(annotations[annotation.metrics]).map((metric) => metricFromV1(metric, 'spec'));
  const metrics = typeof target === 'number' ? [cpuMetric(target), ...others] : others;
  if (metrics.length === 0) metrics.push(cpuMetric(defaultCpuUtilization));

  const currentMetrics = parseList(annotations[annotation.currentMetrics]).map((m) => metricFromV1(m, 'status'));
  if (typeof current === 'number' && !currentMetrics.some(isCpu)) {
    currentMetrics.unshift({
      type: 'Resource',
      resource: { name: 'cpu', current: { averageUtilization: current } },
    });
  }
  const conditions = parseList(annotations[annotation.conditions]);
  const behavior = parse(annotations[annotation.behavior]);
  return {
    ...object,
    metadata: withAnnotations(object.metadata, {}),
    spec: {
      ...spec,
      metrics,
      ...(isJsonObject(behavior) && { behavior: withKeys(behavior, (key) => first(key).toLowerCase() + key.slice(1)) }),
    },
    status: {
      ...status,
      ...(currentMetrics.length > 0 && { currentMetrics }),
      ...(conditions.length > 0 && { conditions }),
    },
  };
}

/** HorizontalPodAutoscaler v2 to v1: what version 1 cannot say goes into annotations, in upstream's form. */
export function autoscalerToV1(object: JsonKubeObject): JsonKubeObject {
  const { metrics: _metrics, behavior, ...spec } = objectAt(object, 'spec') ?? {};
  const { currentMetrics: _current, conditions, ...status } = objectAt(object, 'status') ?? {};
  const metrics = objectsAt(objectAt(object, 'spec'), 'metrics');
  const cpu = metrics.find((metric) => isCpu(metric) && utilization(metric, 'target') !== undefined);
  const others = metrics.filter((metric) => metric !== cpu).map((metric) => metricToV1(metric, 'spec'));
  const currentMetrics = objectsAt(objectAt(object, 'status'), 'currentMetrics');
  const target = cpu && utilization(cpu, 'target');
  const currentCpu = currentMetrics.find((metric) => isCpu(metric));
  const current = currentCpu && utilization(currentCpu, 'current');
  const added: JsonObject = {};
  if (others.length > 0) added[annotation.metrics] = JSON.stringify(others);
  if (currentMetrics.length > 0) {
    added[annotation.currentMetrics] = JSON.stringify(currentMetrics.map((metric) => metricToV1(metric, 'status')));
  }
  if (Array.isArray(conditions) && conditions.length > 0) added[annotation.conditions] = JSON.stringify(conditions);
  if (isJsonObject(behavior)) {
    added[annotation.behavior] = JSON.stringify(withKeys(behavior, (key) => first(key).toUpperCase() + key.slice(1)));
  }
  return {
    ...object,
    metadata: withAnnotations(object.metadata, added),
    spec: { ...spec, ...(target !== undefined && { targetCPUUtilizationPercentage: target }) },
    status: { ...status, ...(current !== undefined && { currentCPUUtilizationPercentage: current }) },
  };
}

function cpuMetric(averageUtilization: number): JsonObject {
  return { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } } };
}

function isCpu(metric: JsonObject): boolean {
  return metric['type'] === 'Resource' && objectAt(metric, 'resource')?.['name'] === 'cpu';
}

function utilization(metric: JsonObject, group: 'target' | 'current'): JsonValue | undefined {
  return objectAt(objectAt(metric, 'resource'), group)?.['averageUtilization'];
}

/** The annotations of the other version, without those that say what now has fields. */
function withAnnotations(metadata: JsonObject, added: JsonObject): JsonObject {
  const { annotations, ...rest } = metadata;
  const hidden: ReadonlySet<string> = new Set(Object.values(annotation));
  const kept = Object.entries(isJsonObject(annotations) ? annotations : {}).filter(([key]) => !hidden.has(key));
  const all = { ...Object.fromEntries(kept), ...added };
  return Object.keys(all).length > 0 ? { ...rest, annotations: all } : rest;
}

function parseList(value: JsonValue | undefined): JsonObject[] {
  const parsed = parse(value);
  return Array.isArray(parsed) ? parsed.filter(isJsonObject) : [];
}

/** Annotations are the user's: what is no JSON says nothing. */
function parse(value: JsonValue | undefined): JsonValue | undefined {
  if (typeof value !== 'string') return undefined;
  try {
    return JSON.parse(value) as JsonValue;
  } catch {
    return undefined;
  }
}

function first(key: string): string {
  return key.slice(0, 1);
}
