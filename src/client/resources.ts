import type { ResourceRef } from './client.ts';

/** A built-in resource with its Kind. */
export type BuiltInResource = ResourceRef & { readonly kind: string };

export const pods: BuiltInResource = { group: '', version: 'v1', resource: 'pods', kind: 'Pod' };
export const nodes: BuiltInResource = { group: '', version: 'v1', resource: 'nodes', kind: 'Node' };
export const namespaces: BuiltInResource = { group: '', version: 'v1', resource: 'namespaces', kind: 'Namespace' };
export const services: BuiltInResource = { group: '', version: 'v1', resource: 'services', kind: 'Service' };
export const endpoints: BuiltInResource = { group: '', version: 'v1', resource: 'endpoints', kind: 'Endpoints' };
export const configMaps: BuiltInResource = { group: '', version: 'v1', resource: 'configmaps', kind: 'ConfigMap' };
export const secrets: BuiltInResource = { group: '', version: 'v1', resource: 'secrets', kind: 'Secret' };
export const serviceAccounts: BuiltInResource = {
  group: '',
  version: 'v1',
  resource: 'serviceaccounts',
  kind: 'ServiceAccount',
};
export const events: BuiltInResource = { group: '', version: 'v1', resource: 'events', kind: 'Event' };
export const replicationControllers: BuiltInResource = {
  group: '',
  version: 'v1',
  resource: 'replicationcontrollers',
  kind: 'ReplicationController',
};
export const persistentVolumeClaims: BuiltInResource = {
  group: '',
  version: 'v1',
  resource: 'persistentvolumeclaims',
  kind: 'PersistentVolumeClaim',
};
export const persistentVolumes: BuiltInResource = {
  group: '',
  version: 'v1',
  resource: 'persistentvolumes',
  kind: 'PersistentVolume',
};
export const deployments: BuiltInResource = {
  group: 'apps',
  version: 'v1',
  resource: 'deployments',
  kind: 'Deployment',
};
export const replicaSets: BuiltInResource = {
  group: 'apps',
  version: 'v1',
  resource: 'replicasets',
  kind: 'ReplicaSet',
};
export const daemonSets: BuiltInResource = { group: 'apps', version: 'v1', resource: 'daemonsets', kind: 'DaemonSet' };
export const statefulSets: BuiltInResource = {
  group: 'apps',
  version: 'v1',
  resource: 'statefulsets',
  kind: 'StatefulSet',
};
export const controllerRevisions: BuiltInResource = {
  group: 'apps',
  version: 'v1',
  resource: 'controllerrevisions',
  kind: 'ControllerRevision',
};
export const jobs: BuiltInResource = { group: 'batch', version: 'v1', resource: 'jobs', kind: 'Job' };
export const cronJobs: BuiltInResource = { group: 'batch', version: 'v1', resource: 'cronjobs', kind: 'CronJob' };
export const endpointSlices: BuiltInResource = {
  group: 'discovery.k8s.io',
  version: 'v1',
  resource: 'endpointslices',
  kind: 'EndpointSlice',
};
export const leases: BuiltInResource = {
  group: 'coordination.k8s.io',
  version: 'v1',
  resource: 'leases',
  kind: 'Lease',
};
export const certificateSigningRequests: BuiltInResource = {
  group: 'certificates.k8s.io',
  version: 'v1',
  resource: 'certificatesigningrequests',
  kind: 'CertificateSigningRequest',
};
export const clusterRoles: BuiltInResource = {
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  resource: 'clusterroles',
  kind: 'ClusterRole',
};
export const clusterRoleBindings: BuiltInResource = {
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  resource: 'clusterrolebindings',
  kind: 'ClusterRoleBinding',
};
export const roles: BuiltInResource = {
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  resource: 'roles',
  kind: 'Role',
};
export const roleBindings: BuiltInResource = {
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  resource: 'rolebindings',
  kind: 'RoleBinding',
};
export const priorityClasses: BuiltInResource = {
  group: 'scheduling.k8s.io',
  version: 'v1',
  resource: 'priorityclasses',
  kind: 'PriorityClass',
};
export const runtimeClasses: BuiltInResource = {
  group: 'node.k8s.io',
  version: 'v1',
  resource: 'runtimeclasses',
  kind: 'RuntimeClass',
};
export const tokenReviews: BuiltInResource = {
  group: 'authentication.k8s.io',
  version: 'v1',
  resource: 'tokenreviews',
  kind: 'TokenReview',
};
export const subjectAccessReviews: BuiltInResource = {
  group: 'authorization.k8s.io',
  version: 'v1',
  resource: 'subjectaccessreviews',
  kind: 'SubjectAccessReview',
};
export const selfSubjectReviews: BuiltInResource = {
  group: 'authentication.k8s.io',
  version: 'v1',
  resource: 'selfsubjectreviews',
  kind: 'SelfSubjectReview',
};
