import type {
  ClusterRole,
  ClusterRoleBinding,
  PolicyRule,
  Role,
  RoleBinding,
  Subject,
} from '../../api/kubernetes/rbac-v1.ts';
import { componentRoleBindings, componentRoles } from './bootstrap/component-roles.ts';
import { controllerRoleBindings, controllerRoles } from './bootstrap/controller-roles.ts';
import { joinClusterRoleBindings, joinClusterRoles, joinRoleBindings, joinRoles } from './bootstrap/join-roles.ts';
import { namespacedRoleBindings, namespacedRoles } from './bootstrap/namespaced-roles.ts';
import { userRoles } from './bootstrap/user-roles.ts';
import { rbacResources } from './rbac-index.ts';
import { coversRule } from './rule-cover.ts';

export type RbacObject = ClusterRole | ClusterRoleBinding | Role | RoleBinding;

/** Where one default object belongs; `resource` as an ObjectSource names it. */
export interface PolicyEntry {
  readonly resource: (typeof rbacResources)[keyof typeof rbacResources];
  readonly object: RbacObject;
}

/**
 * Writes RBAC objects past authorization and admission. `update` carries the resourceVersion that was read.
 * Calls come in parallel.
 */
export interface PolicyWriter {
  get(resource: string, key: { namespace: string; name: string }): Promise<RbacObject | undefined>;
  create(resource: string, object: RbacObject): Promise<void>;
  update(resource: string, object: RbacObject): Promise<void>;
  delete(resource: string, key: { namespace: string; name: string }): Promise<void>;
}

/** Every default role and binding of upstream, kubeadm's for joining nodes, and Fairlead's own few. */
export const bootstrapPolicy: readonly PolicyEntry[] = [
  ...entries(rbacResources.clusterRoles, [...userRoles, ...componentRoles, ...controllerRoles, ...joinClusterRoles]),
  ...entries(rbacResources.clusterRoleBindings, [
    ...componentRoleBindings,
    ...controllerRoleBindings,
    ...joinClusterRoleBindings,
  ]),
  ...entries(rbacResources.roles, [...namespacedRoles, ...joinRoles]),
  ...entries(rbacResources.roleBindings, [...namespacedRoleBindings, ...joinRoleBindings]),
];

/**
 * Brings the default policy up to date: creates what is missing, adds lost rules and subjects, keeps what was added by hand, and
 * replaces a binding whose role is another one. Objects annotated `autoupdate: "false"` are left alone. Writes nothing when nothing is missing.
 * @returns how many objects were written
 */
export async function ensureBootstrapPolicy(writer: PolicyWriter): Promise<number> {
  const written = await Promise.all(bootstrapPolicy.map((entry) => ensureEntry(writer, entry)));
  return written.filter(Boolean).length;
}

async function ensureEntry(writer: PolicyWriter, { resource, object }: PolicyEntry): Promise<boolean> {
  const key = { namespace: object.metadata?.namespace ?? '', name: object.metadata?.name ?? '' };
  const found = await writer.get(resource, key);
  if (found === undefined) {
    await writer.create(resource, structuredClone(object));
    return true;
  }
  const wanted = reconcile(found, object);
  if (wanted === 'unchanged') return false;
  if (wanted === 'replace') {
    await writer.delete(resource, key);
    await writer.create(resource, structuredClone(object));
  } else {
    await writer.update(resource, wanted);
  }
  return true;
}

/** What `found` must become, so that it gives everything `expected` does. */
export function reconcile(found: RbacObject, expected: RbacObject): RbacObject | 'unchanged' | 'replace' {
  if (found.metadata?.annotations?.['rbac.authorization.kubernetes.io/autoupdate'] === 'false') return 'unchanged';
  if ('roleRef' in expected && 'roleRef' in found && !sameRole(found.roleRef, expected.roleRef)) return 'replace';
  const labels = { ...expected.metadata?.labels, ...found.metadata?.labels };
  const annotations = { ...expected.metadata?.annotations, ...found.metadata?.annotations };
  const metadataComplete =
    size(labels) === size(found.metadata?.labels) && size(annotations) === size(found.metadata?.annotations);
  const content = 'roleRef' in expected ? missingSubjects(found, expected) : missingRules(found, expected);
  if (metadataComplete && content === undefined) return 'unchanged';
  return { ...found, metadata: { ...found.metadata, labels, annotations }, ...content };
}

function missingSubjects(found: RbacObject, expected: RoleBinding): { subjects: Subject[] } | undefined {
  const present = 'roleRef' in found ? (found.subjects ?? []) : [];
  const missing = (expected.subjects ?? []).filter((subject) => !present.some((other) => sameSubject(subject, other)));
  return missing.length === 0 ? undefined : { subjects: [...present, ...missing] };
}

function missingRules(found: RbacObject, expected: ClusterRole): Partial<ClusterRole> | undefined {
  if ('roleRef' in found) return undefined;
  const role: ClusterRole = found;
  // The rules of an aggregated role are its controller's; only the selectors are ours.
  if (expected.aggregationRule !== undefined) {
    const present = role.aggregationRule?.clusterRoleSelectors ?? [];
    const texts = new Set(present.map((selector) => JSON.stringify(selector)));
    const wanted = expected.aggregationRule.clusterRoleSelectors ?? [];
    const lost = wanted.filter((selector) => !texts.has(JSON.stringify(selector)));
    return lost.length === 0 ? undefined : { aggregationRule: { clusterRoleSelectors: [...present, ...lost] } };
  }
  const present: readonly PolicyRule[] = role.rules ?? [];
  const lost = (expected.rules ?? []).filter((rule) => !coversRule(present, rule));
  return lost.length === 0 ? undefined : { rules: [...present, ...lost] };
}

function sameRole(a: RoleBinding['roleRef'], b: RoleBinding['roleRef']): boolean {
  return a.kind === b.kind && a.name === b.name;
}

/** An empty group is the default of the kind. */
function sameSubject(a: Subject, b: Subject): boolean {
  return a.kind === b.kind && a.name === b.name && (a.namespace ?? '') === (b.namespace ?? '');
}

function size(map: Readonly<Record<string, string>> | undefined): number {
  return map === undefined ? 0 : Object.keys(map).length;
}

function entries(resource: PolicyEntry['resource'], objects: readonly RbacObject[]): PolicyEntry[] {
  return objects.map((object) => ({ resource, object }));
}
