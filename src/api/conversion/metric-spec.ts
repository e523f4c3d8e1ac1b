import { isJsonObject, objectAt } from '../json-object.ts';
import type { JsonObject, JsonValue } from '../object.ts';

/**
 * Metrics of autoscalers as version 1 keeps them in annotations, and as version 2 has them.
 * `spec` tells a target (`targetAverageValue`, `target`) from a status (`currentAverageValue`, `current`).
 * Source: `pkg/apis/autoscaling/v1/conversion.go`.
 */
export function metricFromV1(metric: JsonObject, role: 'spec' | 'status'): JsonObject {
  const { prefix, group } = words(role);
  const convert = (name: string, build: (source: JsonObject) => JsonObject): JsonObject => {
    const source = objectAt(metric, name);
    return source === undefined ? {} : { [name]: build(source) };
  };
  const resource = (source: JsonObject): JsonObject =>
    compact({
      name: source['name'],
      container: source['container'],
      [group]: amount(role, {
        averageUtilization: source[`${prefix}AverageUtilization`],
        averageValue: source[`${prefix}AverageValue`],
      }),
    });
  return {
    type: metric['type'] ?? '',
    ...convert('resource', resource),
    ...convert('containerResource', resource),
    ...convert('pods', (source) => ({
      metric: compact({ name: source['metricName'], selector: source['selector'] }),
      [group]: amount(role, { averageValue: source[`${prefix}AverageValue`] }),
    })),
    ...convert('object', (source) => ({
      describedObject: source['target'] ?? {},
      metric: compact({ name: source['metricName'], selector: source['selector'] }),
      [group]: amount(role, { value: source[`${prefix}Value`], averageValue: source['averageValue'] }),
    })),
    ...convert('external', (source) => ({
      metric: compact({ name: source['metricName'], selector: source['metricSelector'] }),
      [group]: amount(role, { value: source[`${prefix}Value`], averageValue: source[`${prefix}AverageValue`] }),
    })),
  };
}

/** The reverse of {@link metricFromV1}. */
export function metricToV1(metric: JsonObject, role: 'spec' | 'status'): JsonObject {
  const { prefix, group } = words(role);
  const result: JsonObject = { type: metric['type'] ?? '' };
  for (const name of ['resource', 'containerResource', 'pods', 'object', 'external']) {
    const source = objectAt(metric, name);
    if (source === undefined) continue;
    const values = objectAt(source, group) ?? {};
    const identifier = objectAt(source, 'metric') ?? {};
    const isObject = name === 'object';
    result[name] = compact({
      name: source['name'],
      container: source['container'],
      target: source['describedObject'],
      metricName: identifier['name'],
      [name === 'external' ? 'metricSelector' : 'selector']: identifier['selector'],
      [`${prefix}AverageUtilization`]: values['averageUtilization'],
      [isObject ? 'averageValue' : `${prefix}AverageValue`]: values['averageValue'],
      // Version 1 has the value of an object's metric always.
      [`${prefix}Value`]: values['value'] ?? (isObject ? '0' : undefined),
    });
  }
  return result;
}

function words(role: 'spec' | 'status'): { prefix: string; group: string } {
  return role === 'spec' ? { prefix: 'target', group: 'target' } : { prefix: 'current', group: 'current' };
}

function amount(role: 'spec' | 'status', values: Record<string, JsonValue | undefined>): JsonObject {
  const set = compact(values);
  if (role === 'status') return set;
  if (set['averageUtilization'] !== undefined) return { type: 'Utilization', ...set };
  if (set['averageValue'] === undefined) return { type: 'Value', ...set };
  const { value: _zero, ...average } = set;
  return { type: 'AverageValue', ...average };
}

function compact(values: Record<string, JsonValue | undefined>): JsonObject {
  const result: JsonObject = {};
  for (const [key, value] of Object.entries(values)) if (value !== undefined && value !== null) result[key] = value;
  return result;
}

/** Changes the first letter of every key, all the way down: upstream keeps `behavior` as Go prints its internal type. */
export function withKeys(value: JsonValue, change: (key: string) => string): JsonValue {
  if (Array.isArray(value)) return value.map((item) => withKeys(item, change));
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [change(key), withKeys(child, change)]));
}
