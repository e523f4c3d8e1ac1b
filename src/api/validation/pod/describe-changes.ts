import { isDeepStrictEqual } from 'node:util';

const maxLines = 40;

/** What differs between two values, for a person: a line with `-` for what was and one with `+` for what is, each with its path. */
export function describeChanges(before: unknown, after: unknown): string {
  const lines: string[] = [];
  collect(lines, '', { before, after });
  const shown = lines.slice(0, maxLines);
  return [...shown, ...(lines.length > shown.length ? ['  …'] : []), ''].join('\n');
}

function collect(lines: string[], path: string, { before, after }: { before: unknown; after: unknown }): void {
  if (isDeepStrictEqual(before, after)) return;
  if (isContainer(before) && isContainer(after) && Array.isArray(before) === Array.isArray(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      const at = Array.isArray(before) ? `${path}[${key}]` : `${path}${path === '' ? '' : '.'}${key}`;
      collect(lines, at, { before: before[key], after: after[key] });
    }
    return;
  }
  if (before !== undefined) lines.push(`- ${path}: ${JSON.stringify(before)}`);
  if (after !== undefined) lines.push(`+ ${path}: ${JSON.stringify(after)}`);
}

function isContainer(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
