import { numberAt, objectAt, objectsAt, textAt } from '../json-object.ts';
import type { JsonObject } from '../object.ts';
import {
  ageColumn,
  ageSince,
  booleanColumn,
  column,
  integerColumn,
  nameColumn,
  orNone,
  printer,
  spec,
  status,
  type TablePrinter,
  textsAt,
  wide,
} from './printer.ts';

const roleLabelPrefix = 'node-role.kubernetes.io/';
const roleLabel = 'kubernetes.io/role';

/** Nodes, namespaces, configuration and events, by `Kind.group`. */
export const clusterPrinters: Readonly<Record<string, TablePrinter>> = {
  'Node.': printer(
    nameColumn,
    column('Status', nodeStatus),
    column('Roles', nodeRoles),
    ageColumn,
    column('Version', (node) => textAt(nodeInfo(node), 'kubeletVersion')),
    wide('Internal-IP', (node) => orNone(address(node, 'InternalIP'))),
    wide('External-IP', (node) => orNone(address(node, 'ExternalIP'))),
    wide('OS-Image', (node) => textAt(nodeInfo(node), 'osImage') || '<unknown>'),
    wide('Kernel-Version', (node) => {
      const kernel = textAt(nodeInfo(node), 'kernelVersion');
      const architecture = textAt(nodeInfo(node), 'architecture');
      if (kernel === '') return '<unknown>';
      return architecture === '' ? kernel : `${kernel} (${architecture})`;
    }),
    wide('Container-Runtime', (node) => textAt(nodeInfo(node), 'containerRuntimeVersion') || '<unknown>'),
  ),
  'Namespace.': printer(
    nameColumn,
    column('Status', (object) => textAt(status(object), 'phase')),
    ageColumn,
  ),
  'ConfigMap.': printer(nameColumn, column('Data', dataCount), ageColumn),
  'Secret.': printer(
    nameColumn,
    column('Type', (object) => textAt(object, 'type')),
    column('Data', dataCount),
    ageColumn,
  ),
  'ServiceAccount.': printer(nameColumn, ageColumn),
  'Event.': eventPrinter(),
  'Event.events.k8s.io': eventPrinter(),
  'Lease.coordination.k8s.io': printer(
    nameColumn,
    column('Holder', (object) => textAt(spec(object), 'holderIdentity')),
    ageColumn,
  ),
  'LeaseCandidate.coordination.k8s.io': printer(
    nameColumn,
    column('LeaseName', (object) => textAt(spec(object), 'leaseName')),
    column('BinaryVersion', (object) => textAt(spec(object), 'binaryVersion')),
    column('EmulationVersion', (object) => textAt(spec(object), 'emulationVersion')),
    ageColumn,
  ),
  'PriorityClass.scheduling.k8s.io': printer(
    nameColumn,
    integerColumn('Value', (object) => numberAt(object, 'value')),
    booleanColumn('Global-Default', (object) => object['globalDefault'] === true),
    ageColumn,
    column('PreemptionPolicy', (object) => textAt(object, 'preemptionPolicy')),
  ),
  'RuntimeClass.node.k8s.io': printer(
    nameColumn,
    column('Handler', (object) => textAt(object, 'handler')),
    ageColumn,
  ),
  'ComponentStatus.': printer(
    nameColumn,
    column('Status', (object) => {
      const healthy = objectsAt(object, 'conditions').find((condition) => condition['type'] === 'Healthy');
      return healthy?.['status'] === 'True' ? 'Healthy' : 'Unhealthy';
    }),
    column('Message', (object) => textAt(objectsAt(object, 'conditions')[0], 'message')),
    column('Error', (object) => textAt(objectsAt(object, 'conditions')[0], 'error')),
  ),
  'ResourceQuota.': printer(
    nameColumn,
    column('Request', (object) => quota(object, (name) => !name.startsWith('limits.'))),
    column('Limit', (object) => quota(object, (name) => name.startsWith('limits.'))),
    ageColumn,
  ),
  'LimitRange.': printer(
    nameColumn,
    column('Created At', (object) => textAt(objectAt(object, 'metadata'), 'creationTimestamp')),
  ),
};

function nodeInfo(node: JsonObject): JsonObject | undefined {
  return objectAt(status(node), 'nodeInfo');
}

function nodeStatus(node: JsonObject): string {
  const ready = objectsAt(status(node), 'conditions').find((condition) => condition['type'] === 'Ready');
  const words = [ready === undefined ? 'Unknown' : ready['status'] === 'True' ? 'Ready' : 'NotReady'];
  if (spec(node)?.['unschedulable'] === true) words.push('SchedulingDisabled');
  return words.join(',');
}

function nodeRoles(node: JsonObject): string {
  const roles = new Set<string>();
  for (const [label, value] of Object.entries(objectAt(objectAt(node, 'metadata'), 'labels') ?? {})) {
    if (label.startsWith(roleLabelPrefix)) roles.add(label.slice(roleLabelPrefix.length));
    else if (label === roleLabel) roles.add(String(value));
  }
  roles.delete('');
  return orNone([...roles].sort().join(','));
}

function address(node: JsonObject, type: string): string {
  return textAt(
    objectsAt(status(node), 'addresses').find((entry) => entry['type'] === type),
    'address',
  );
}

function dataCount(object: JsonObject): number {
  return Object.keys(objectAt(object, 'data') ?? {}).length + Object.keys(objectAt(object, 'binaryData') ?? {}).length;
}

function quota(object: JsonObject, wanted: (name: string) => boolean): string {
  const used = objectAt(status(object), 'used');
  return Object.entries(objectAt(status(object), 'hard') ?? {})
    .filter(([name]) => wanted(name))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, hard]) => `${name}: ${used?.[name] ?? '0'}/${hard}`)
    .join(', ');
}

/** Both views of an event: fields of events.k8s.io where those of core are missing. */
function eventPrinter(): TablePrinter {
  const involved = (event: JsonObject) => objectAt(event, 'involvedObject') ?? objectAt(event, 'regarding');
  const count = (event: JsonObject) =>
    numberAt(objectAt(event, 'series'), 'count') || numberAt(event, 'count') || numberAt(event, 'deprecatedCount') || 1;
  const first = (event: JsonObject) =>
    event['firstTimestamp'] ?? event['deprecatedFirstTimestamp'] ?? event['eventTime'];
  const last = (event: JsonObject) =>
    objectAt(event, 'series')?.['lastObservedTime'] ??
    event['lastTimestamp'] ??
    event['deprecatedLastTimestamp'] ??
    first(event);
  return printer(
    column('Last Seen', (event, now) => ageSince(last(event), now)),
    column('Type', (event) => textAt(event, 'type')),
    column('Reason', (event) => textAt(event, 'reason')),
    column('Object', (event) => `${textAt(involved(event), 'kind').toLowerCase()}/${textAt(involved(event), 'name')}`),
    wide('Subobject', (event) => textAt(involved(event), 'fieldPath')),
    wide('Source', eventSource),
    column('Message', (event) => (textAt(event, 'message') || textAt(event, 'note')).trim()),
    wide('First Seen', (event, now) => ageSince(first(event), now)),
    wide('Count', count),
    { ...nameColumn, definition: { ...nameColumn.definition, priority: 1 } },
  );
}

function eventSource(event: JsonObject): string {
  const source = objectAt(event, 'source') ?? objectAt(event, 'deprecatedSource');
  const controller = textAt(event, 'reportingComponent') || textAt(event, 'reportingController');
  const parts = [
    textAt(source, 'component') || controller,
    textAt(source, 'host') || textAt(event, 'reportingInstance'),
  ];
  return parts.filter((part) => part !== '').join(', ');
}

/** The access modes of a volume in short: `RWO,ROX`. */
export function accessModes(parent: JsonObject | undefined): string {
  const short: Readonly<Record<string, string>> = {
    ReadWriteOnce: 'RWO',
    ReadOnlyMany: 'ROX',
    ReadWriteMany: 'RWX',
    ReadWriteOncePod: 'RWOP',
  };
  const modes = new Set(textsAt(parent, 'accessModes'));
  return Object.keys(short)
    .filter((mode) => modes.has(mode))
    .map((mode) => short[mode])
    .join(',');
}
