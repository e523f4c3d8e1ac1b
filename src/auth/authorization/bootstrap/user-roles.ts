import type { ClusterRole } from '../../../api/kubernetes/rbac-v1.ts';
import { aggregatedClusterRole, clusterRole } from './policy-objects.ts';
import { allow, allowPaths, read, readWrite, write } from './rule-text.ts';

const toAdmin = 'rbac.authorization.k8s.io/aggregate-to-admin';
const toEdit = 'rbac.authorization.k8s.io/aggregate-to-edit';
const toView = 'rbac.authorization.k8s.io/aggregate-to-view';

const workloads =
  'daemonsets deployments deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale';

/** Roles for people: `cluster-admin`, and `admin`, `edit` and `view` for one namespace, open to aggregation. */
export const userRoles: readonly ClusterRole[] = [
  clusterRole('cluster-admin', [allow({ verbs: '*', groups: '*', resources: '*' }), allowPaths('*', '*')]),
  aggregatedClusterRole('admin', { from: toAdmin }),
  aggregatedClusterRole('edit', { from: toEdit, labels: { [toAdmin]: 'true' } }),
  aggregatedClusterRole('view', { from: toView, labels: { [toEdit]: 'true' } }),
  clusterRole(
    'system:aggregate-to-admin',
    [
      allow({ verbs: 'create', groups: 'authorization.k8s.io', resources: 'localsubjectaccessreviews' }),
      allow({ verbs: readWrite, groups: 'rbac.authorization.k8s.io', resources: 'rolebindings roles' }),
    ],
    { [toAdmin]: 'true' },
  ),
  clusterRole(
    'system:aggregate-to-edit',
    [
      allow({
        verbs: read,
        groups: 'core',
        resources: 'pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy',
      }),
      allow({ verbs: 'impersonate', groups: 'core', resources: 'serviceaccounts' }),
      allow({
        verbs: write,
        groups: 'core',
        resources: 'pods pods/attach pods/exec pods/portforward pods/proxy',
      }),
      allow({ verbs: 'create', groups: 'core', resources: 'pods/eviction' }),
      allow({
        verbs: write,
        groups: 'core',
        resources:
          'configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy',
      }),
      allow({ verbs: 'create', groups: 'core', resources: 'serviceaccounts/token' }),
      allow({ verbs: write, groups: 'apps', resources: `${workloads} deployments/rollback` }),
      allow({ verbs: write, groups: 'autoscaling', resources: 'horizontalpodautoscalers' }),
      allow({ verbs: write, groups: 'batch', resources: 'cronjobs jobs' }),
      allow({
        verbs: write,
        groups: 'extensions',
        resources:
          'daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies replicasets replicasets/scale replicationcontrollers/scale',
      }),
      allow({ verbs: write, groups: 'policy', resources: 'poddisruptionbudgets' }),
      allow({ verbs: write, groups: 'networking.k8s.io', resources: 'ingresses networkpolicies' }),
      allow({ verbs: readWrite, groups: 'coordination.k8s.io', resources: 'leases' }),
      allow({ verbs: write, groups: 'resource.k8s.io', resources: 'resourceclaims resourceclaimtemplates' }),
    ],
    { [toEdit]: 'true' },
  ),
  clusterRole(
    'system:aggregate-to-view',
    [
      allow({
        verbs: read,
        groups: 'core',
        resources:
          'configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status',
      }),
      allow({
        verbs: read,
        groups: 'core',
        resources:
          'bindings events limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status',
      }),
      allow({ verbs: read, groups: 'core', resources: 'namespaces' }),
      allow({ verbs: read, groups: 'discovery.k8s.io', resources: 'endpointslices' }),
      allow({
        verbs: read,
        groups: 'apps',
        resources: `controllerrevisions daemonsets/status deployments/status replicasets/status statefulsets/status ${workloads}`,
      }),
      allow({
        verbs: read,
        groups: 'autoscaling',
        resources: 'horizontalpodautoscalers horizontalpodautoscalers/status',
      }),
      allow({ verbs: read, groups: 'batch', resources: 'cronjobs cronjobs/status jobs jobs/status' }),
      allow({
        verbs: read,
        groups: 'extensions',
        resources:
          'daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses ingresses/status networkpolicies replicasets replicasets/scale replicasets/status replicationcontrollers/scale',
      }),
      allow({ verbs: read, groups: 'policy', resources: 'poddisruptionbudgets poddisruptionbudgets/status' }),
      allow({ verbs: read, groups: 'networking.k8s.io', resources: 'ingresses ingresses/status networkpolicies' }),
      allow({
        verbs: read,
        groups: 'resource.k8s.io',
        resources: 'resourceclaims resourceclaims/status resourceclaimtemplates',
      }),
    ],
    { [toView]: 'true' },
  ),
];
