import { ApiError } from '../api/errors.ts';
import type { Attributes, Decision } from '../auth/authorizer.ts';
import type { UserInfo } from '../auth/user.ts';
import type { RequestInfo } from './request-info.ts';

/** What an authorizer is asked about a request. */
export function attributesOf(user: UserInfo, info: RequestInfo, query: URLSearchParams): Attributes {
  if (!info.isResourceRequest) return { kind: 'nonResource', user, verb: info.verb, path: info.path };
  const { verb, group, version, resource, subresource, namespace, name } = info;
  const attributes = { kind: 'resource', user, verb, group, version, resource, subresource, namespace, name } as const;
  if (verb !== 'list' && verb !== 'watch' && verb !== 'deletecollection') return attributes;
  const fieldSelector = query.get('fieldSelector');
  const labelSelector = query.get('labelSelector');
  return { ...attributes, ...(fieldSelector && { fieldSelector }), ...(labelSelector && { labelSelector }) };
}

/** The 403 in upstream's words, with what HTML would read as markup escaped. */
export function forbiddenRequest(attributes: Attributes, decision: Decision): ApiError {
  const user = JSON.stringify(attributes.user.username);
  const reason = decision.reason === '' ? '' : `: ${decision.reason}`;
  if (attributes.kind === 'nonResource') {
    const message = `forbidden: User ${user} cannot ${attributes.verb} path ${JSON.stringify(attributes.path)}${reason}`;
    return new ApiError('Forbidden', escapeHtml(message), { details: {} });
  }
  const { verb, group, resource, subresource, namespace, name } = attributes;
  const full = subresource === '' ? resource : `${resource}/${subresource}`;
  const groupResource = group === '' ? resource : `${resource}.${group}`;
  const subject = name === '' ? groupResource : `${groupResource} ${JSON.stringify(name)}`;
  const scope = namespace === '' ? 'at the cluster scope' : `in the namespace ${JSON.stringify(namespace)}`;
  const what = `cannot ${verb} resource ${JSON.stringify(full)} in API group ${JSON.stringify(group)} ${scope}`;
  return new ApiError('Forbidden', escapeHtml(`${subject} is forbidden: User ${user} ${what}${reason}`), {
    details: { ...(name !== '' && { name }), ...(group !== '' && { group }), kind: resource },
  });
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
