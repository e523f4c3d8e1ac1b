import type { ClusterRole, ClusterRoleBinding, Role, RoleBinding, Subject } from '../../api/kubernetes/rbac-v1.ts';
import type { ObjectSource } from '../object-source.ts';
import type { UserInfo } from '../user.ts';
import { RuleSet } from './rule-set.ts';

const group = 'rbac.authorization.k8s.io';
export const rbacResources = {
  clusterRoles: `clusterroles.${group}`,
  clusterRoleBindings: `clusterrolebindings.${group}`,
  roles: `roles.${group}`,
  roleBindings: `rolebindings.${group}`,
} as const;

/** One subject of one binding: what a caller may get through it. */
export interface Grant {
  readonly bindingKind: 'ClusterRoleBinding' | 'RoleBinding';
  readonly bindingName: string;
  /** `''` for a ClusterRoleBinding. */
  readonly namespace: string;
  readonly roleKind: string;
  readonly roleName: string;
  /** As reasons print it: `Group "system:nodes"`. */
  readonly subject: string;
}

type GrantsBySubject = Map<string, Grant[]>;

/**
 * All roles, compiled, and all bindings, by subject. Follows the objects, so that a decision touches only
 * the bindings of the caller's name and groups.
 */
export class RbacIndex implements Disposable {
  readonly #roles = new Map<string, RuleSet>();
  readonly #clusterGrants: GrantsBySubject = new Map();
  readonly #grantsByNamespace = new Map<string, GrantsBySubject>();
  readonly #subscriptions: Disposable[];

  constructor(objects: ObjectSource) {
    const { clusterRoles, clusterRoleBindings, roles, roleBindings } = rbacResources;
    // Subscribed before it is listed: both are synchronous, and adding twice replaces.
    this.#subscriptions = [
      objects.subscribe<ClusterRole>(clusterRoles, ({ before, after }) => this.#setRole(before, after)),
      objects.subscribe<Role>(roles, ({ before, after }) => this.#setRole(before, after)),
      objects.subscribe<ClusterRoleBinding>(clusterRoleBindings, ({ before, after }) =>
        this.#setBinding(before, after),
      ),
      objects.subscribe<RoleBinding>(roleBindings, ({ before, after }) => this.#setBinding(before, after)),
    ];
    for (const role of objects.list<ClusterRole>(clusterRoles)) this.#setRole(undefined, role);
    for (const role of objects.list<Role>(roles)) this.#setRole(undefined, role);
    for (const binding of objects.list<ClusterRoleBinding>(clusterRoleBindings)) this.#setBinding(binding, binding);
    for (const binding of objects.list<RoleBinding>(roleBindings)) this.#setBinding(binding, binding);
  }

  /** The rules behind a grant, or `undefined` where the role does not exist. */
  role({ roleKind, roleName, namespace }: Pick<Grant, 'roleKind' | 'roleName' | 'namespace'>): RuleSet | undefined {
    return this.#roles.get(roleKey(roleKind === 'Role' ? namespace : '', roleName));
  }

  /** Calls `visit` with each grant of `user` until it returns true: cluster-wide ones first, then those of `namespace`. */
  someGrant(user: UserInfo, namespace: string, visit: (grant: Grant) => boolean): boolean {
    if (someOf(this.#clusterGrants, user, visit)) return true;
    if (namespace === '') return false;
    const grants = this.#grantsByNamespace.get(namespace);
    return grants !== undefined && someOf(grants, user, visit);
  }

  [Symbol.dispose](): void {
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
  }

  #setRole(before: Role | ClusterRole | undefined, after: Role | ClusterRole | undefined): void {
    const { namespace = '', name = '' } = (after ?? before)?.metadata ?? {};
    if (after) this.#roles.set(roleKey(namespace, name), new RuleSet(after.rules ?? []));
    else this.#roles.delete(roleKey(namespace, name));
  }

  #setBinding(before: RoleBinding | undefined, after: RoleBinding | undefined): void {
    const namespace = (after ?? before)?.metadata?.namespace ?? '';
    const grants = this.#grantsOf(namespace);
    if (before) removeGrants(grants, before);
    for (const subject of after?.subjects ?? []) {
      const key = subjectKey(subject, namespace);
      if (after === undefined || key === undefined) continue;
      const known = grants.get(key) ?? [];
      grants.set(key, [...known, grantOf(after, subject)].sort(byBindingName));
    }
    if (namespace !== '' && grants.size === 0) this.#grantsByNamespace.delete(namespace);
  }

  #grantsOf(namespace: string): GrantsBySubject {
    if (namespace === '') return this.#clusterGrants;
    const known = this.#grantsByNamespace.get(namespace);
    if (known) return known;
    const created: GrantsBySubject = new Map();
    this.#grantsByNamespace.set(namespace, created);
    return created;
  }
}

function someOf(grants: GrantsBySubject, { username, groups }: UserInfo, visit: (grant: Grant) => boolean): boolean {
  if (grants.get(`User ${username}`)?.some(visit)) return true;
  return groups.some((name) => grants.get(`Group ${name}`)?.some(visit) === true);
}

function removeGrants(grants: GrantsBySubject, { metadata, subjects = [] }: RoleBinding): void {
  const { name, namespace = '' } = metadata ?? {};
  for (const subject of subjects) {
    const key = subjectKey(subject, namespace);
    if (key === undefined) continue;
    const kept = (grants.get(key) ?? []).filter(({ bindingName }) => bindingName !== name);
    if (kept.length === 0) grants.delete(key);
    else grants.set(key, kept);
  }
}

function grantOf({ metadata, roleRef }: RoleBinding, subject: Subject): Grant {
  const namespace = metadata?.namespace ?? '';
  const subjectName = subject.namespace ? `${subject.name}/${subject.namespace}` : subject.name;
  return {
    bindingKind: namespace === '' ? 'ClusterRoleBinding' : 'RoleBinding',
    bindingName: metadata?.name ?? '',
    namespace,
    roleKind: roleRef.kind,
    roleName: roleRef.name,
    subject: `${subject.kind} ${JSON.stringify(subjectName)}`,
  };
}

/** A service account is matched by its user name alone. `undefined` for a subject that can match nobody. */
function subjectKey({ kind, name, namespace }: Subject, bindingNamespace: string): string | undefined {
  if (kind !== 'ServiceAccount') return kind === 'User' || kind === 'Group' ? `${kind} ${name}` : undefined;
  const home = namespace || bindingNamespace;
  return home === '' ? undefined : `User system:serviceaccount:${home}:${name}`;
}

function roleKey(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

function byBindingName(a: Grant, b: Grant): number {
  return a.bindingName < b.bindingName ? -1 : a.bindingName > b.bindingName ? 1 : 0;
}
