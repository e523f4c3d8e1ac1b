import { ApiError, badRequest } from '../../api/errors.ts';
import { type FieldError, forbiddenField, invalidObject, notSupported } from '../../api/field-error.ts';
import { compileFieldSelector, singleName } from '../../api/field-selectors.ts';
import { type Labels, parseLabelSelector } from '../../api/selectors.ts';
import { isTrue } from '../request-info.ts';
import type { ServedResource } from '../served-resource.ts';
import type { ObjectFilter } from '../watch-encoding.ts';
import { parseVersion } from './get.ts';
import { parseInteger } from './options.ts';

/** The query of a list or watch. */
export interface ListOptions {
  /** As given; `''` when absent. */
  readonly resourceVersion: string;
  readonly match: '' | 'NotOlderThan' | 'Exact';
  readonly limit: number;
  readonly continue: string;
  readonly sendInitialEvents: boolean | undefined;
  readonly allowWatchBookmarks: boolean;
  readonly timeoutSeconds: number | undefined;
  readonly labelSelector: string;
  readonly fieldSelector: string;
}

/** @throws {ApiError} `BadRequest`, `Invalid` */
export function parseListOptions(query: URLSearchParams, { watch }: { watch: boolean }): ListOptions {
  const initial = query.get('sendInitialEvents');
  const options: ListOptions = {
    resourceVersion: query.get('resourceVersion') ?? '',
    match: (query.get('resourceVersionMatch') ?? '') as ListOptions['match'], // checked below
    limit: Math.max(0, parseInteger(query, 'limit') ?? 0),
    continue: query.get('continue') ?? '',
    sendInitialEvents: initial === null ? undefined : isTrue(initial),
    allowWatchBookmarks: isTrue(query.get('allowWatchBookmarks')),
    timeoutSeconds: parseInteger(query, 'timeoutSeconds'),
    labelSelector: query.get('labelSelector') ?? '',
    fieldSelector: query.get('fieldSelector') ?? '',
  };
  if (options.resourceVersion !== '') parseVersion(options.resourceVersion);
  const errors = watch ? watchErrors(options) : listErrors(options);
  if (errors.length > 0) {
    throw invalidObject({ group: 'meta.k8s.io', version: 'v1', kind: 'ListOptions' }, '', errors);
  }
  if (!watch && options.continue !== '' && !['', '0'].includes(options.resourceVersion)) {
    throw badRequest('specifying resource version is not allowed when using continue');
  }
  return options;
}

function listErrors({ match, resourceVersion, sendInitialEvents, continue: token }: ListOptions): FieldError[] {
  const errors: FieldError[] = [];
  if (sendInitialEvents !== undefined) {
    errors.push(forbiddenField('sendInitialEvents', 'sendInitialEvents is forbidden for list'));
  }
  if (match === '') return errors;
  if (resourceVersion === '') {
    errors.push(
      forbiddenField('resourceVersionMatch', 'resourceVersionMatch is forbidden unless resourceVersion is provided'),
    );
  }
  if (token !== '') {
    errors.push(forbiddenField('resourceVersionMatch', 'resourceVersionMatch is forbidden when continue is provided'));
  }
  if (match !== 'Exact' && match !== 'NotOlderThan') {
    errors.push(notSupported('resourceVersionMatch', match, ['Exact', 'NotOlderThan', '']));
  }
  if (match === 'Exact' && resourceVersion === '0') {
    errors.push(
      forbiddenField('resourceVersionMatch', 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'),
    );
  }
  return errors;
}

function watchErrors({ match, sendInitialEvents }: ListOptions): FieldError[] {
  if (sendInitialEvents !== undefined) {
    if (match === 'NotOlderThan') return [];
    if (match === '') {
      const detail = 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan';
      return [forbiddenField('resourceVersionMatch', detail)];
    }
    return [notSupported('resourceVersionMatch', match, ['NotOlderThan'])];
  }
  if (match === '') return [];
  return [
    forbiddenField(
      'resourceVersionMatch',
      'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
    ),
  ];
}

/** What a list or watch of this resource shows. @throws {ApiError} `BadRequest` for a selector that cannot be read */
export function filterOf(
  resource: ServedResource,
  { namespace, name }: { namespace: string; name: string },
  { labelSelector, fieldSelector }: ListOptions,
): ObjectFilter {
  const labels = labelSelector === '' ? undefined : parseLabelSelector(labelSelector);
  const selected = fieldSelector === '' ? undefined : singleName(fieldSelector);
  if (name !== '' && selected !== undefined && selected !== name) {
    throw badRequest('both a name and a field selector were given');
  }
  const only = name !== '' ? name : selected;
  const fields = fieldSelector === '' ? undefined : compileFieldSelector(resource.storage, fieldSelector);
  const plainName = selected !== undefined && /^metadata\.name==?[^,]*$/.test(fieldSelector);
  const testFields = plainName ? undefined : fields;
  const inNamespace = resource.info.namespaced && namespace !== '' ? namespace : undefined;
  const selects =
    labels === undefined && testFields === undefined
      ? undefined
      : (object: { object: Readonly<{ metadata: { labels?: unknown } }> }) =>
          // Decoding made labels a map of strings.
          (labels === undefined || labels.matches(object.object.metadata.labels as Labels | undefined)) &&
          (testFields === undefined || testFields(object.object));
  return {
    key: JSON.stringify([inNamespace, only, labels?.text, testFields && fieldSelector]),
    namespace: inNamespace,
    name: only,
    ...(selects && { selects }),
  };
}

/** Reads and watches of a revision whose history is gone. */
export function expired(message: string): ApiError {
  return new ApiError('Expired', message);
}
