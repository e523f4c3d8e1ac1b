import { badRequest } from './errors.ts';
import { type FieldTerm, parseFieldSelector } from './field-selector-parser.ts';
import type { JsonValue } from './object.ts';
import type { ResourceInfo } from './resource-info.ts';

/** An object as selectors see it. */
type Selectable = Readonly<Record<string, unknown>>;
type Getter = (object: Selectable) => string;

/** The selector `text` as a test of objects of this resource, in any of its versions. @throws {ApiError} BadRequest */
export function compileFieldSelector(
  resource: Pick<ResourceInfo, 'group' | 'resource' | 'kind'>,
  text: string,
): (object: object) => boolean {
  const terms = parseFieldSelector(text).map((term) => ({ ...term, get: getterOf(resource, term) }));
  if (terms.length === 0) return () => true;
  // Getters look at nothing without checking what it is.
  return (object) => terms.every(({ get, equal, value }) => (get(object as Selectable) === value) === equal);
}

/** The one name that a selector with `metadata.name=x` can match, so that a list needs only one lookup. */
export function singleName(text: string): string | undefined {
  return parseFieldSelector(text).find(({ field, equal }) => field === 'metadata.name' && equal)?.value;
}

const common: Readonly<Record<string, Getter>> = {
  'metadata.name': path('metadata', 'name'),
  'metadata.namespace': path('metadata', 'namespace'),
};

const nodeName = path('spec', 'nodeName');
const pods: Readonly<Record<string, Getter>> = {
  'spec.nodeName': nodeName,
  'spec.host': nodeName,
  'spec.restartPolicy': path('spec', 'restartPolicy'),
  'spec.schedulerName': path('spec', 'schedulerName'),
  'spec.serviceAccountName': path('spec', 'serviceAccountName'),
  'spec.hostNetwork': flag('spec', 'hostNetwork'),
  'status.phase': path('status', 'phase'),
  'status.podIP': path('status', 'podIP'),
  'status.podIPs': path('status', 'podIP'),
  'status.nominatedNodeName': path('status', 'nominatedNodeName'),
};

const objectFields = ['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'];
const events: Readonly<Record<string, Getter>> = {
  ...Object.fromEntries(
    objectFields.flatMap((field): [string, Getter][] => {
      const get: Getter = (object) => textOf(at(object['involvedObject'] ?? object['regarding'], field));
      return [
        [`involvedObject.${field}`, get],
        [`regarding.${field}`, get],
      ];
    }),
  ),
  reason: path('reason'),
  reportingComponent: eventController,
  reportingController: eventController,
  source: (object) =>
    textOf(at(object['source'] ?? object['deprecatedSource'], 'component')) || eventController(object),
  type: path('type'),
};

/** Fields beyond name and namespace, by `resource.group`. */
const byResource: Readonly<Record<string, Readonly<Record<string, Getter>>>> = {
  'pods.': pods,
  'nodes.': { 'spec.unschedulable': flag('spec', 'unschedulable') },
  'events.': events,
  'events.events.k8s.io': events,
  'namespaces.': { 'status.phase': path('status', 'phase') },
  'secrets.': { type: path('type') },
  'services.': { 'spec.clusterIP': path('spec', 'clusterIP'), 'spec.type': path('spec', 'type') },
  'replicationcontrollers.': { 'status.replicas': count('status', 'replicas') },
  'replicasets.apps': { 'status.replicas': count('status', 'replicas') },
  'jobs.batch': { 'status.successful': count('status', 'succeeded') },
  'certificatesigningrequests.certificates.k8s.io': { 'spec.signerName': path('spec', 'signerName') },
  'podcertificaterequests.certificates.k8s.io': {
    'spec.signerName': path('spec', 'signerName'),
    'spec.podName': path('spec', 'podName'),
    'spec.nodeName': nodeName,
  },
  'clustertrustbundles.certificates.k8s.io': { 'spec.signerName': path('spec', 'signerName') },
  'resourceslices.resource.k8s.io': { 'spec.driver': path('spec', 'driver'), 'spec.nodeName': nodeName },
};

function getterOf({ group, resource }: Pick<ResourceInfo, 'group' | 'resource'>, { field }: FieldTerm): Getter {
  const own = byResource[`${resource}.${group}`];
  const getter = own !== undefined && Object.hasOwn(own, field) ? own[field] : undefined;
  const found = getter ?? (Object.hasOwn(common, field) ? common[field] : undefined);
  if (found !== undefined) return found;
  if (own !== undefined) throw badRequest(`field label not supported: ${field}`);
  throw badRequest(
    `${JSON.stringify(field)} is not a known field selector: only "metadata.name", "metadata.namespace"`,
  );
}

function path(...names: readonly string[]): Getter {
  return (object) => textOf(names.reduce(at, object));
}

/** A boolean field: absent is `false`. */
function flag(...names: readonly string[]): Getter {
  const get = path(...names);
  return (object) => get(object) || 'false';
}

/** A number: absent is `0`. */
function count(...names: readonly string[]): Getter {
  const get = path(...names);
  return (object) => get(object) || '0';
}

function eventController(object: Selectable): string {
  return textOf((object['reportingComponent'] ?? object['reportingController']) as JsonValue | undefined);
}

function at(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Selectable)[name] : undefined;
}

function textOf(value: unknown): string {
  return value === undefined || value === null ? '' : String(value);
}
