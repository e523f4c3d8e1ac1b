import type { JsonKubeObject, JsonObject } from '../object.ts';

/** Fields that core/v1 and events.k8s.io/v1 name differently. */
const renamed: readonly (readonly [core: string, events: string])[] = [
  ['involvedObject', 'regarding'],
  ['message', 'note'],
  ['source', 'deprecatedSource'],
  ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'],
  ['count', 'deprecatedCount'],
  ['reportingComponent', 'reportingController'],
];

const toEvents = new Map(renamed);
const toCore = new Map(renamed.map(([core, events]) => [events, core]));

/** One object, two views: the fields get the names of the view that is asked for. */
export function convertEvent(event: JsonKubeObject, { group }: { group: string }): JsonKubeObject {
  const names = group === 'events.k8s.io' ? toEvents : toCore;
  const result: JsonObject = {};
  for (const [key, value] of Object.entries(event)) result[names.get(key) ?? key] = value;
  // `metadata` has no other name.
  return result as JsonKubeObject;
}
