import { numberAt, objectAt, objectsAt, textAt } from '../json-object.ts';
import type { JsonObject, JsonValue } from '../object.ts';
import { parseTimestamp } from '../timestamp.ts';
import { humanDuration } from './duration.ts';

/** A column as `meta.k8s.io/v1 Table` defines it. */
export interface ColumnDefinition {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'boolean' | 'date';
  readonly format: string;
  readonly description: string;
  /** `0` is always shown, `1` only with `-o wide`. */
  readonly priority: number;
}

export interface RowCondition {
  readonly type: 'Completed';
  readonly status: 'True';
  readonly reason: string;
  readonly message: string;
}

export interface TableRow {
  readonly cells: JsonValue[];
  readonly conditions?: readonly RowCondition[];
}

/** How the objects of one kind look in `kubectl get`. */
export interface TablePrinter {
  readonly columns: readonly ColumnDefinition[];
  /** `now` in milliseconds, for ages. */
  row(object: object, now: number): TableRow;
}

/** A column and what stands in it. */
export interface Column {
  readonly definition: ColumnDefinition;
  readonly cell: (object: JsonObject, now: number) => JsonValue;
}

type Cell = (object: JsonObject, now: number) => JsonValue;

/** A column of texts. */
export function column(name: string, cell: Cell): Column {
  return build(name, cell, {});
}

/** A column that only `-o wide` shows. */
export function wide(name: string, cell: Cell): Column {
  return build(name, cell, { priority: 1 });
}

export function integerColumn(name: string, cell: Cell): Column {
  return build(name, cell, { type: 'integer' });
}

export function booleanColumn(name: string, cell: Cell): Column {
  return build(name, cell, { type: 'boolean' });
}

export const nameColumn: Column = build('Name', (object) => textAt(objectAt(object, 'metadata'), 'name'), {
  format: 'name',
  description:
    'Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically.',
});

export const ageColumn: Column = column('Age', (object, now) =>
  ageSince(objectAt(object, 'metadata')?.['creationTimestamp'], now),
);

function build(
  name: string,
  cell: Cell,
  { type = 'string', format = '', priority = 0, description = '' }: Partial<Omit<ColumnDefinition, 'name'>>,
): Column {
  return { definition: { name, type, format, description, priority }, cell };
}

/** A printer of these columns. */
export function printer(...columns: readonly Column[]): TablePrinter {
  return {
    columns: columns.map(({ definition }) => definition),
    row(object, now) {
      // API objects are JSON; cells look at nothing without checking what it is.
      const json = object as JsonObject;
      return { cells: columns.map(({ cell }) => cell(json, now)) };
    },
  };
}

/** What upstream prints for resources without columns of their own. */
export const defaultPrinter: TablePrinter = printer(
  nameColumn,
  build('Created At', (object) => textAt(objectAt(object, 'metadata'), 'creationTimestamp'), { type: 'date' }),
);

/** The age of a timestamp: `5m12s`; `<unknown>` if there is none. */
export function ageSince(timestamp: JsonValue | undefined, now: number): string {
  const instant = typeof timestamp === 'string' ? parseTimestamp(timestamp) : undefined;
  return instant === undefined ? '<unknown>' : humanDuration(now - instant.seconds * 1000);
}

/** `<none>` for nothing. */
export function orNone(text: string): string {
  return text === '' ? '<none>' : text;
}

/** A map of labels as text, by key: `a=b,c=d`, or `<none>`. */
export function formatLabels(labels: JsonObject | undefined): string {
  const entries = Object.entries(labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return orNone(entries.map(([key, value]) => `${key}=${value}`).join(','));
}

/** The names and images of a pod template's containers. */
export function containerColumns(podSpec: (object: JsonObject) => JsonObject | undefined): Column[] {
  const join = (field: string) => (object: JsonObject) =>
    objectsAt(podSpec(object), 'containers')
      .map((container) => textAt(container, field))
      .join(',');
  return [wide('Containers', join('name')), wide('Images', join('image'))];
}

/** The pod spec of a workload's template. */
export function templateSpec(object: JsonObject): JsonObject | undefined {
  return objectAt(objectAt(objectAt(object, 'spec'), 'template'), 'spec');
}

export const spec = (object: JsonObject) => objectAt(object, 'spec');
export const status = (object: JsonObject) => objectAt(object, 'status');

/** A number of `status`, zero if absent. */
export const statusNumber = (name: string) => (object: JsonObject) => numberAt(status(object), name);
/** A number of `spec`, zero if absent. */
export const specNumber = (name: string) => (object: JsonObject) => numberAt(spec(object), name);
/** The texts of a list. */
export function textsAt(parent: JsonObject | undefined, key: string): string[] {
  const list = parent?.[key];
  return Array.isArray(list) ? list.filter((value) => typeof value === 'string') : [];
}
