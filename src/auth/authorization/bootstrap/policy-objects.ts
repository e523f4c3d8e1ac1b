import type {
  ClusterRole,
  ClusterRoleBinding,
  PolicyRule,
  Role,
  RoleBinding,
  Subject,
} from '../../../api/kubernetes/rbac-v1.ts';

const apiGroup = 'rbac.authorization.k8s.io';
const apiVersion = `${apiGroup}/v1`;
const metadata = {
  annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'true' },
  labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults' },
};

export function clusterRole(
  name: string,
  rules: readonly PolicyRule[],
  labels: Record<string, string> = {},
): ClusterRole {
  return {
    apiVersion,
    kind: 'ClusterRole',
    metadata: { name, annotations: metadata.annotations, labels: { ...metadata.labels, ...labels } },
    rules: [...rules],
  };
}

/** A role whose rules a controller gathers from all ClusterRoles that carry one of `labels` as `"true"`. */
export function aggregatedClusterRole(
  name: string,
  { from, labels = {} }: { from: string; labels?: Record<string, string> },
): ClusterRole {
  const aggregationRule = { clusterRoleSelectors: [{ matchLabels: { [from]: 'true' } }] };
  return { ...clusterRole(name, [], labels), aggregationRule };
}

export function role(namespace: string, name: string, rules: readonly PolicyRule[]): Role {
  return { apiVersion, kind: 'Role', metadata: { name, namespace, ...metadata }, rules: [...rules] };
}

/** Gives a ClusterRole everywhere. */
export function bindEverywhere(roleName: string, subjects: readonly Subject[], name = roleName): ClusterRoleBinding {
  return {
    apiVersion,
    kind: 'ClusterRoleBinding',
    metadata: { name, ...metadata },
    roleRef: { apiGroup, kind: 'ClusterRole', name: roleName },
    subjects: [...subjects],
  };
}

/** Gives a Role in its own namespace. */
export function bindIn(
  namespace: string,
  roleName: string,
  { subjects, name = roleName }: { subjects: readonly Subject[]; name?: string },
): RoleBinding {
  return {
    apiVersion,
    kind: 'RoleBinding',
    metadata: { name, namespace, ...metadata },
    roleRef: { apiGroup, kind: 'Role', name: roleName },
    subjects: [...subjects],
  };
}

export const user = (name: string): Subject => ({ apiGroup, kind: 'User', name });
export const group = (name: string): Subject => ({ apiGroup, kind: 'Group', name });
export const serviceAccount = (name: string, namespace = 'kube-system'): Subject => ({
  kind: 'ServiceAccount',
  name,
  namespace,
});
