import type { UserInfo } from '../../auth/user.ts';
import type { RequestInfo } from '../request-info.ts';

export const auditLevels = ['None', 'Metadata', 'Request', 'RequestResponse'] as const;
export type AuditLevel = (typeof auditLevels)[number];

export const auditStages = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'] as const;
export type AuditStage = (typeof auditStages)[number];

/** Resources of one group that a rule names; `resources` as `pods`, `pods/log`, `pods/*`, `*` and a subresource or `*`. Empty means all. */
export interface AuditResources {
  readonly group: string;
  readonly resources: readonly string[];
  readonly resourceNames: readonly string[];
}

/** One rule; empty lists match everything. */
export interface AuditRule {
  readonly level: AuditLevel;
  readonly users: readonly string[];
  readonly userGroups: readonly string[];
  readonly verbs: readonly string[];
  readonly resources: readonly AuditResources[];
  /** `''` stands for what has no namespace. */
  readonly namespaces: readonly string[];
  readonly nonResourceURLs: readonly string[];
  readonly omitStages: readonly AuditStage[];
  /** `undefined` takes the policy's. */
  readonly omitManagedFields: boolean | undefined;
}

/** What of which request is written down: `audit.k8s.io/v1 Policy`. */
export interface AuditPolicy {
  readonly rules: readonly AuditRule[];
  readonly omitStages: readonly AuditStage[];
  readonly omitManagedFields: boolean;
}

/** What the policy says about one request. */
export interface AuditDecision {
  readonly level: AuditLevel;
  readonly omitStages: ReadonlySet<AuditStage>;
  readonly omitManagedFields: boolean;
}

/** The first rule that matches decides; without one nothing is written. Source: k8s.io/apiserver `pkg/audit/policy/checker.go`. */
export function evaluatePolicy(
  policy: AuditPolicy,
  request: { info: RequestInfo; user: UserInfo | undefined },
): AuditDecision {
  const rule = policy.rules.find((candidate) => matches(candidate, request));
  return {
    level: rule?.level ?? 'None',
    omitStages: new Set([...policy.omitStages, ...(rule?.omitStages ?? [])]),
    omitManagedFields: rule?.omitManagedFields ?? policy.omitManagedFields,
  };
}

function matches(rule: AuditRule, { info, user }: { info: RequestInfo; user: UserInfo | undefined }): boolean {
  const { users, userGroups, verbs } = rule;
  if (users.length > 0 && !(user && users.includes(user.username))) return false;
  if (userGroups.length > 0 && !user?.groups.some((group) => userGroups.includes(group))) return false;
  if (verbs.length > 0 && !verbs.includes(info.verb)) return false;
  if (rule.namespaces.length > 0 || rule.resources.length > 0) return matchesResource(rule, info);
  if (rule.nonResourceURLs.length === 0) return true;
  return !info.isResourceRequest && rule.nonResourceURLs.some((pattern) => matchesPath(pattern, info.path));
}

function matchesResource({ namespaces, resources }: AuditRule, info: RequestInfo): boolean {
  if (!info.isResourceRequest) return false;
  if (namespaces.length > 0 && !namespaces.includes(info.namespace)) return false;
  return resources.length === 0 || resources.some((entry) => coversResource(entry, info));
}

function coversResource(
  { group, resources, resourceNames }: AuditResources,
  { resource, subresource, name, ...info }: RequestInfo,
): boolean {
  if (group !== info.group) return false;
  if (resources.length === 0) return true;
  if (resourceNames.length > 0 && !resourceNames.includes(name)) return false;
  const combined = subresource === '' ? resource : `${resource}/${subresource}`;
  return resources.some(
    (pattern) =>
      pattern === '*' ||
      pattern === combined ||
      pattern === `${resource}/*` ||
      (subresource !== '' && pattern === `*/${subresource}`),
  );
}

function matchesPath(pattern: string, path: string): boolean {
  return pattern === path || (pattern.endsWith('*') && path.startsWith(pattern.slice(0, -1)));
}
