import { badRequest, forbidden } from '../api/errors.ts';
import type { Attributes, Authorizer } from '../auth/authorizer.ts';
import { authenticatedGroup, unauthenticatedGroup } from '../auth/groups.ts';
import { headerValues, readExtra } from '../auth/identity-headers.ts';
import { parseServiceAccountUsername, serviceAccountGroups } from '../auth/service-account-name.ts';
import { anonymousUser, type UserInfo } from '../auth/user.ts';

type IncomingHeaders = Readonly<Record<string, string | string[] | undefined>>;

export interface Impersonation {
  /** Whom the request is from now on. */
  readonly user: UserInfo;
  /** To be removed before the request is passed on. */
  readonly consumedHeaders: readonly string[];
}

/** More identities in one request are refused: each costs a decision. */
const maxChecks = 256;

/**
 * Lets a user act as another who may `impersonate` every part of that identity: name, each group, uid, each extra value.
 * Gives `undefined` at once where the request has no such headers. Comes after authentication and before authorization.
 * Source: k8s.io/apiserver `pkg/endpoints/filters/impersonation`, the checks before constrained impersonation.
 * @throws {ApiError} 400 for headers without a user, 403
 */
export function impersonate(
  headers: IncomingHeaders,
  user: UserInfo,
  authorizer: Authorizer,
): Promise<Impersonation> | undefined {
  const names = Object.keys(headers).filter((name) => name.startsWith('impersonate-'));
  return names.length === 0 ? undefined : check(headers, names, user, authorizer);
}

async function check(
  headers: IncomingHeaders,
  names: readonly string[],
  user: UserInfo,
  authorizer: Authorizer,
): Promise<Impersonation> {
  const wanted = readWanted(headers);
  const checks = listChecks(wanted, user);
  if (checks.length > maxChecks)
    throw badRequest(`cannot impersonate more than ${maxChecks} users, groups and extra values at once`);
  for (const attributes of checks) {
    const decision = await authorizer.authorize(attributes);
    if (decision.verdict !== 'allow') throw refusal(attributes, decision.reason);
  }
  return { user: complete(wanted), consumedHeaders: names };
}

function readWanted(headers: IncomingHeaders): UserInfo {
  const [username = ''] = headerValues(headers, 'impersonate-user');
  const [uid = ''] = headerValues(headers, 'impersonate-uid');
  const groups = headerValues(headers, 'impersonate-group');
  const extra = readExtra(headers, ['impersonate-extra-']);
  if (username === '')
    throw badRequest('requested to impersonate a group, uid or extra value without impersonating a user');
  return { username, uid, groups, extra };
}

type ResourceAttributes = Extract<Attributes, { kind: 'resource' }>;

function listChecks(wanted: UserInfo, user: UserInfo): ResourceAttributes[] {
  const may = (part: Partial<ResourceAttributes> & { resource: string; name: string }): ResourceAttributes => ({
    kind: 'resource',
    user,
    verb: 'impersonate',
    group: '',
    version: 'v1',
    subresource: '',
    namespace: '',
    ...part,
  });
  const account = parseServiceAccountUsername(wanted.username);
  const group = 'authentication.k8s.io';
  return [
    account ? may({ resource: 'serviceaccounts', ...account }) : may({ resource: 'users', name: wanted.username }),
    ...wanted.groups.map((name) => may({ resource: 'groups', name })),
    ...Object.entries(wanted.extra).flatMap(([subresource, values]) =>
      values.map((name) => may({ group, resource: 'userextras', subresource, name })),
    ),
    ...(wanted.uid === '' ? [] : [may({ group, resource: 'uids', name: wanted.uid })]),
  ];
}

/** Adds the groups that such a user would have been given by an authenticator. */
function complete(wanted: UserInfo): UserInfo {
  const account = parseServiceAccountUsername(wanted.username);
  const groups = wanted.groups.length === 0 && account ? serviceAccountGroups(account.namespace) : wanted.groups;
  if (wanted.username === anonymousUser.username) {
    return { ...wanted, groups: groups.includes(unauthenticatedGroup) ? groups : [...groups, unauthenticatedGroup] };
  }
  const told = groups.includes(authenticatedGroup) || groups.includes(unauthenticatedGroup);
  return { ...wanted, groups: told ? groups : [...groups, authenticatedGroup] };
}

function refusal({ group, resource, subresource, namespace, name, user }: ResourceAttributes, reason: string) {
  const full = subresource === '' ? resource : `${resource}/${subresource}`;
  const scope = namespace === '' ? 'at the cluster scope' : `in the namespace ${JSON.stringify(namespace)}`;
  const message = `User ${JSON.stringify(user.username)} cannot impersonate resource ${JSON.stringify(full)} in API group ${JSON.stringify(group)} ${scope}`;
  return forbidden({ group, resource }, name, reason === '' ? message : `${message}: ${reason}`);
}
