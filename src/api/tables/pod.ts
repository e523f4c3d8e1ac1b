import { numberAt, objectAt, objectsAt, textAt } from '../json-object.ts';
import type { JsonObject } from '../object.ts';
import { parseTimestamp } from '../timestamp.ts';
import { humanDuration } from './duration.ts';
import {
  ageColumn,
  type Column,
  column,
  nameColumn,
  orNone,
  printer,
  type RowCondition,
  spec,
  status,
  type TablePrinter,
  wide,
} from './printer.ts';

/** What `kubectl get pods` shows of the state of a pod. */
interface PodSummary {
  readonly ready: string;
  readonly status: string;
  readonly restarts: string;
}

const wideColumns: readonly Column[] = [
  wide('IP', (pod) => orNone(textAt(objectsAt(status(pod), 'podIPs')[0], 'ip') || textAt(status(pod), 'podIP'))),
  wide('Node', (pod) => orNone(textAt(spec(pod), 'nodeName'))),
  wide('Nominated Node', (pod) => orNone(textAt(status(pod), 'nominatedNodeName'))),
  wide('Readiness Gates', readinessGates),
];

const head = printer(nameColumn);
/** What stands in these comes out of one walk over the containers. */
const summaryColumns = printer(
  column('Ready', () => ''),
  column('Status', () => ''),
  column('Restarts', () => ''),
);
const tail = printer(ageColumn, ...wideColumns);

/** One row per pod, as upstream's `printPod`. */
export const podPrinter: TablePrinter = {
  columns: [...head.columns, ...summaryColumns.columns, ...tail.columns],
  row(object, now) {
    // API objects are JSON.
    const pod = object as JsonObject;
    const summary = summarize(pod, now);
    const cells = [
      ...head.row(pod, now).cells,
      summary.ready,
      summary.status,
      summary.restarts,
      ...tail.row(pod, now).cells,
    ];
    const condition = completions[textAt(status(pod), 'phase')];
    return condition === undefined ? { cells } : { cells, conditions: [condition] };
  },
};

const completions: Readonly<Record<string, RowCondition>> = {
  Succeeded: {
    type: 'Completed',
    status: 'True',
    reason: 'Succeeded',
    message: 'The pod has completed successfully.',
  },
  Failed: { type: 'Completed', status: 'True', reason: 'Failed', message: 'The pod failed.' },
};

/** Restarts counted over some containers, and when the latest one ended. */
interface Restarts {
  count: number;
  lastSeconds: number;
}

function summarize(pod: JsonObject, now: number): PodSummary {
  const podStatus = status(pod);
  const initial = initialReason(podStatus);
  const init = walkInitContainers(pod);
  let reason = init.reason ?? initial;
  let ready = init.ready;
  let restarts = init.restarts;
  if (init.reason === undefined || hasCondition(podStatus, 'Initialized')) {
    restarts = init.sidecarRestarts;
    const main = walkContainers(podStatus, restarts);
    reason = main.reason ?? reason;
    ready += main.ready;
    if (reason === 'Completed') {
      if (main.ready > 0 && hasCondition(podStatus, 'Ready')) reason = 'Running';
      else if (main.failure !== undefined) reason = main.failure;
      else if (main.ready > 0) reason = 'NotReady';
    }
  }
  if (objectAt(pod, 'metadata')?.['deletionTimestamp']) {
    const phase = textAt(podStatus, 'phase');
    if (textAt(podStatus, 'reason') === 'NodeLost') reason = 'Unknown';
    else if (phase !== 'Succeeded' && phase !== 'Failed') reason = 'Terminating';
  }
  const total = objectsAt(spec(pod), 'containers').length + sidecars(pod).size;
  return { ready: `${ready}/${total}`, status: reason, restarts: formatRestarts(restarts, now) };
}

function initialReason(podStatus: JsonObject | undefined): string {
  const gated = objectsAt(podStatus, 'conditions').some(
    ({ type, reason }) => type === 'PodScheduled' && reason === 'SchedulingGated',
  );
  return gated ? 'SchedulingGated' : textAt(podStatus, 'reason') || textAt(podStatus, 'phase');
}

/** Names of the init containers that keep running. */
function sidecars(pod: JsonObject): Set<string> {
  const containers = objectsAt(spec(pod), 'initContainers');
  return new Set(containers.filter((c) => c['restartPolicy'] === 'Always').map((c) => textAt(c, 'name')));
}

/** `reason` is set if one of them is not done: the pod is still initializing. */
function walkInitContainers(pod: JsonObject): {
  reason: string | undefined;
  ready: number;
  restarts: Restarts;
  sidecarRestarts: Restarts;
} {
  const restarts: Restarts = { count: 0, lastSeconds: 0 };
  const sidecarRestarts: Restarts = { count: 0, lastSeconds: 0 };
  const restartable = sidecars(pod);
  let ready = 0;
  for (const [index, container] of objectsAt(status(pod), 'initContainerStatuses').entries()) {
    addRestarts(restarts, container);
    const isSidecar = restartable.has(textAt(container, 'name'));
    if (isSidecar) addRestarts(sidecarRestarts, container);
    const { terminated, waiting } = stateOf(container);
    if (terminated !== undefined && numberAt(terminated, 'exitCode') === 0) continue;
    if (isSidecar && container['started'] === true) {
      if (container['ready'] === true) ready++;
      continue;
    }
    const waitingFor = textAt(waiting, 'reason');
    let reason = `Init:${index}/${objectsAt(spec(pod), 'initContainers').length}`;
    if (terminated !== undefined) reason = `Init:${terminationReason(terminated)}`;
    else if (waitingFor !== '' && waitingFor !== 'PodInitializing') reason = `Init:${waitingFor}`;
    return { reason, ready, restarts, sidecarRestarts };
  }
  return { reason: undefined, ready, restarts, sidecarRestarts };
}

/** From the last container to the first, so that the first one's trouble is what is shown. */
function walkContainers(
  podStatus: JsonObject | undefined,
  restarts: Restarts,
): { reason: string | undefined; failure: string | undefined; ready: number } {
  let reason: string | undefined;
  let failure: string | undefined;
  let ready = 0;
  for (const container of objectsAt(podStatus, 'containerStatuses').toReversed()) {
    addRestarts(restarts, container);
    const { terminated, waiting, running } = stateOf(container);
    const waitingFor = textAt(waiting, 'reason');
    if (waitingFor !== '') reason = waitingFor;
    else if (terminated !== undefined) {
      reason = terminationReason(terminated);
      if (numberAt(terminated, 'exitCode') !== 0) failure = reason;
    } else if (container['ready'] === true && running !== undefined) ready++;
  }
  return { reason, failure, ready };
}

function stateOf(container: JsonObject): {
  terminated: JsonObject | undefined;
  waiting: JsonObject | undefined;
  running: JsonObject | undefined;
} {
  const state = objectAt(container, 'state');
  return {
    terminated: objectAt(state, 'terminated'),
    waiting: objectAt(state, 'waiting'),
    running: objectAt(state, 'running'),
  };
}

function terminationReason(terminated: JsonObject): string {
  const reason = textAt(terminated, 'reason');
  if (reason !== '') return reason;
  const signal = numberAt(terminated, 'signal');
  return signal !== 0 ? `Signal:${signal}` : `ExitCode:${numberAt(terminated, 'exitCode')}`;
}

function addRestarts(restarts: Restarts, container: JsonObject): void {
  restarts.count += numberAt(container, 'restartCount');
  const finished = textAt(objectAt(objectAt(container, 'lastState'), 'terminated'), 'finishedAt');
  restarts.lastSeconds = Math.max(restarts.lastSeconds, parseTimestamp(finished)?.seconds ?? 0);
}

function formatRestarts({ count, lastSeconds }: Restarts, now: number): string {
  if (count === 0 || lastSeconds === 0) return `${count}`;
  return `${count} (${humanDuration(now - lastSeconds * 1000)} ago)`;
}

function hasCondition(podStatus: JsonObject | undefined, name: string): boolean {
  return objectsAt(podStatus, 'conditions').some(({ type, status }) => type === name && status === 'True');
}

function readinessGates(pod: JsonObject): string {
  const gates = objectsAt(spec(pod), 'readinessGates');
  if (gates.length === 0) return '<none>';
  const passed = gates.filter((gate) => hasCondition(status(pod), textAt(gate, 'conditionType')));
  return `${passed.length}/${gates.length}`;
}
