import { badRequest } from '../../api/errors.ts';
import { type FieldError, forbiddenField, invalid, invalidObject } from '../../api/field-error.ts';
import { formatTime } from '../../lib/clock.ts';
import { queryFlag } from './pod-target.ts';

/** What the kubelet is asked for, and what the API server keeps to itself. */
export interface LogOptions {
  readonly container: string;
  readonly follow: boolean;
  readonly insecureSkipTlsVerifyBackend: boolean;
  /** In the kubelet's words. */
  readonly kubeletQuery: URLSearchParams;
}

const maxInt64 = 9_223_372_036_854_775_807n;

/** `PodLogOptions` from a query. @throws {ApiError} 400 for what is no number or time, 422 as upstream validates */
export function parseLogOptions(query: URLSearchParams): LogOptions {
  const numbers = {
    tailLines: integer(query, 'tailLines'),
    limitBytes: integer(query, 'limitBytes'),
    sinceSeconds: integer(query, 'sinceSeconds'),
  };
  const sinceTime = time(query.get('sinceTime'));
  const stream = query.get('stream') ?? undefined;
  const errors: FieldError[] = [];
  const least = (name: keyof typeof numbers, minimum: bigint, detail: string) => {
    const value = numbers[name];
    if (value !== undefined && value < minimum) errors.push(invalid(name, Number(value), detail));
  };
  least('tailLines', 0n, 'must be greater than or equal to 0');
  least('limitBytes', 1n, 'must be greater than 0');
  if (numbers.sinceSeconds !== undefined && sinceTime !== undefined) {
    errors.push(forbiddenField('', 'at most one of `sinceTime` or `sinceSeconds` may be specified'));
  } else {
    least('sinceSeconds', 1n, 'must be greater than 0');
  }
  if (stream !== undefined && !['All', 'Stdout', 'Stderr'].includes(stream)) {
    errors.push(invalid('stream', stream, 'must be one of All, Stdout, Stderr'));
  } else if (stream !== undefined && stream !== 'All' && numbers.tailLines !== undefined) {
    errors.push(forbiddenField('', '`tailLines` and specific `stream` are mutually exclusive for now'));
  }
  if (errors.length > 0) throw invalidObject({ group: '', version: 'v1', kind: 'PodLogOptions' }, '', errors);

  const kubeletQuery = new URLSearchParams();
  for (const name of ['follow', 'previous', 'timestamps']) if (queryFlag(query, name)) kubeletQuery.set(name, 'true');
  for (const [name, value] of Object.entries(numbers)) if (value !== undefined) kubeletQuery.set(name, String(value));
  if (sinceTime !== undefined) kubeletQuery.set('sinceTime', sinceTime);
  if (stream !== undefined && stream !== 'All') kubeletQuery.set('stream', stream);
  kubeletQuery.sort();
  return {
    container: query.get('container') ?? '',
    follow: queryFlag(query, 'follow'),
    insecureSkipTlsVerifyBackend: queryFlag(query, 'insecureSkipTLSVerifyBackend'),
    kubeletQuery,
  };
}

function integer(query: URLSearchParams, name: string): bigint | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  if (!/^[+-]?\d+$/.test(text) || BigInt(text.replace('+', '')) > maxInt64) {
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  }
  return BigInt(text.replace('+', ''));
}

/** RFC 3339 with second precision, as the kubelet gets it. */
function time(text: string | null): string | undefined {
  if (text === null || text === '') return undefined;
  const valid =
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i.test(text) && !Number.isNaN(Date.parse(text));
  if (!valid) throw badRequest(`parsing time ${JSON.stringify(text)}: sinceTime must be in the form of RFC 3339`);
  return formatTime(Date.parse(text));
}
