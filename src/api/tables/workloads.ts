import { numberAt, objectAt, objectsAt, textAt } from '../json-object.ts';
import type { JsonObject } from '../object.ts';
import { selectorFromObject } from '../selectors.ts';
import { parseTimestamp } from '../timestamp.ts';
import { humanDuration } from './duration.ts';
import {
  ageColumn,
  ageSince,
  booleanColumn,
  type Column,
  column,
  containerColumns,
  formatLabels,
  integerColumn,
  nameColumn,
  orNone,
  printer,
  spec,
  specNumber,
  status,
  statusNumber,
  type TablePrinter,
  templateSpec,
  wide,
} from './printer.ts';

const replicaColumns: Column[] = [
  integerColumn('Desired', specNumber('replicas')),
  integerColumn('Current', statusNumber('replicas')),
  integerColumn('Ready', statusNumber('readyReplicas')),
];

const selectorColumn = wide('Selector', (object) => formatSelector(spec(object)?.['selector']));

const readyOf = (object: JsonObject) =>
  `${numberAt(status(object), 'readyReplicas')}/${numberAt(spec(object), 'replicas')}`;

/** By `Kind.group`. */
export const workloadPrinters: Readonly<Record<string, TablePrinter>> = {
  'Deployment.apps': printer(
    nameColumn,
    column('Ready', readyOf),
    column('Up-to-date', statusNumber('updatedReplicas')),
    column('Available', statusNumber('availableReplicas')),
    ageColumn,
    ...containerColumns(templateSpec),
    selectorColumn,
  ),
  'ReplicaSet.apps': printer(
    nameColumn,
    ...replicaColumns,
    ageColumn,
    ...containerColumns(templateSpec),
    selectorColumn,
  ),
  'ReplicationController.': printer(
    nameColumn,
    ...replicaColumns,
    ageColumn,
    ...containerColumns(templateSpec),
    wide('Selector', (object) => formatLabels(objectAt(spec(object), 'selector'))),
  ),
  'StatefulSet.apps': printer(nameColumn, column('Ready', readyOf), ageColumn, ...containerColumns(templateSpec)),
  'DaemonSet.apps': printer(
    nameColumn,
    integerColumn('Desired', statusNumber('desiredNumberScheduled')),
    integerColumn('Current', statusNumber('currentNumberScheduled')),
    integerColumn('Ready', statusNumber('numberReady')),
    integerColumn('Up-to-date', statusNumber('updatedNumberScheduled')),
    integerColumn('Available', statusNumber('numberAvailable')),
    column('Node Selector', (object) => formatLabels(objectAt(templateSpec(object), 'nodeSelector'))),
    ageColumn,
    ...containerColumns(templateSpec),
    selectorColumn,
  ),
  'Job.batch': printer(
    nameColumn,
    column('Status', jobStatus),
    column('Completions', completions),
    column('Duration', jobDuration),
    ageColumn,
    ...containerColumns(templateSpec),
    selectorColumn,
  ),
  'CronJob.batch': printer(
    nameColumn,
    column('Schedule', (object) => textAt(spec(object), 'schedule')),
    column('Timezone', (object) => orNone(textAt(spec(object), 'timeZone'))),
    booleanColumn('Suspend', (object) => (spec(object)?.['suspend'] === true ? 'True' : 'False')),
    integerColumn('Active', (object) => objectsAt(status(object), 'active').length),
    column('Last Schedule', (object, now) => {
      const last = status(object)?.['lastScheduleTime'];
      return last ? ageSince(last, now) : '<none>';
    }),
    ageColumn,
    ...containerColumns((object) => templateSpec(objectAt(spec(object), 'jobTemplate') ?? {})),
    wide('Selector', (object) => formatSelector(objectAt(objectAt(spec(object), 'jobTemplate'), 'spec')?.['selector'])),
  ),
  'ControllerRevision.apps': printer(
    nameColumn,
    column('Controller', (object) => {
      const owner = objectsAt(objectAt(object, 'metadata'), 'ownerReferences').find((o) => o['controller'] === true);
      if (owner === undefined) return '<none>';
      const [group = '', version] = textAt(owner, 'apiVersion').split('/');
      const kind = textAt(owner, 'kind').toLowerCase();
      return `${version === undefined ? kind : `${kind}.${group}`}/${textAt(owner, 'name')}`;
    }),
    column('Revision', (object) => numberAt(object, 'revision')),
    ageColumn,
  ),
  'PodTemplate.': printer(
    nameColumn,
    ...containerColumns((object) => objectAt(objectAt(object, 'template'), 'spec')).map(({ definition, cell }) =>
      column(definition.name, cell),
    ),
    column('Pod Labels', (object) =>
      formatLabels(objectAt(objectAt(objectAt(object, 'template'), 'metadata'), 'labels')),
    ),
  ),
};

/** A label selector as text, `<none>` for an empty one. */
export function formatSelector(selector: unknown): string {
  if (typeof selector !== 'object' || selector === null) return '<none>';
  try {
    return orNone(selectorFromObject(selector).text);
  } catch {
    // Upstream prints this for a selector that it cannot read; the object is shown all the same.
    return '<error>';
  }
}

function jobStatus(job: JsonObject): string {
  const conditions = objectsAt(status(job), 'conditions').filter((condition) => condition['status'] === 'True');
  const has = (type: string) => conditions.some((condition) => condition['type'] === type);
  if (has('Complete')) return 'Complete';
  if (has('Failed')) return 'Failed';
  if (objectAt(job, 'metadata')?.['deletionTimestamp']) return 'Terminating';
  if (has('Suspended')) return 'Suspended';
  if (has('FailureTarget')) return 'FailureTarget';
  if (has('SuccessCriteriaMet')) return 'SuccessCriteriaMet';
  return 'Running';
}

function completions(job: JsonObject): string {
  const succeeded = numberAt(status(job), 'succeeded');
  const wanted = spec(job)?.['completions'];
  if (typeof wanted === 'number') return `${succeeded}/${wanted}`;
  const parallelism = numberAt(spec(job), 'parallelism');
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

function jobDuration(job: JsonObject, now: number): string {
  const started = parseTimestamp(textAt(status(job), 'startTime'));
  if (started === undefined) return '';
  const completed = parseTimestamp(textAt(status(job), 'completionTime'));
  return humanDuration((completed === undefined ? now : completed.seconds * 1000) - started.seconds * 1000);
}
