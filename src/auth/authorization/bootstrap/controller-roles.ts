import type { ClusterRole, ClusterRoleBinding, PolicyRule } from '../../../api/kubernetes/rbac-v1.ts';
import { bindEverywhere, clusterRole, serviceAccount } from './policy-objects.ts';
import { allow, read, writeEvents } from './rule-text.ts';

const core = (verbs: string, resources: string) => allow({ verbs, groups: 'core', resources });
const apps = (verbs: string, resources: string) => allow({ verbs, groups: 'apps extensions', resources });
const batch = (verbs: string, resources: string) => allow({ verbs, groups: 'batch', resources });
const storage = (verbs: string, resources: string) => allow({ verbs, groups: 'storage.k8s.io', resources });
const resource = (verbs: string, resources: string) => allow({ verbs, groups: 'resource.k8s.io', resources });
const networking = (verbs: string, resources: string) => allow({ verbs, groups: 'networking.k8s.io', resources });
const admission = (verbs: string, resources: string) =>
  allow({ verbs, groups: 'admissionregistration.k8s.io', resources });
const revisions = allow({
  verbs: `create delete ${read} patch update`,
  groups: 'apps',
  resources: 'controllerrevisions',
});
const slices = allow({
  verbs: `create delete ${read} update`,
  groups: 'discovery.k8s.io',
  resources: 'endpointslices',
});
const signers = (verb: string, names: string) =>
  allow({ verbs: verb, groups: 'certificates.k8s.io', resources: 'signers', names });

/** The rights of each controller, which runs as the service account `kube-system/<key>`. */
const rulesByController: Readonly<Record<string, readonly PolicyRule[]>> = {
  'attachdetach-controller': [
    core('list watch', 'persistentvolumeclaims persistentvolumes'),
    core(read, 'nodes'),
    core('patch update', 'nodes/status'),
    core('list watch', 'pods'),
    writeEvents,
    storage(`create delete ${read}`, 'volumeattachments'),
    storage(read, 'csidrivers'),
    storage(read, 'csinodes'),
  ],
  'certificate-controller': [
    allow({ verbs: `delete ${read}`, groups: 'certificates.k8s.io', resources: 'certificatesigningrequests' }),
    allow({
      verbs: 'update',
      groups: 'certificates.k8s.io',
      resources: 'certificatesigningrequests/approval certificatesigningrequests/status',
    }),
    signers('approve', 'kubernetes.io/kube-apiserver-client-kubelet kubernetes.io/kubelet-serving'),
    signers(
      'sign',
      'kubernetes.io/kube-apiserver-client kubernetes.io/kube-apiserver-client-kubelet kubernetes.io/kubelet-serving kubernetes.io/legacy-unknown',
    ),
    allow({ verbs: 'create', groups: 'authorization.k8s.io', resources: 'subjectaccessreviews' }),
    writeEvents,
  ],
  'clusterrole-aggregation-controller': [
    allow({
      verbs: `escalate ${read} patch update`,
      groups: 'rbac.authorization.k8s.io',
      resources: 'clusterroles',
    }),
  ],
  'cronjob-controller': [
    batch(`${read} update`, 'cronjobs'),
    batch(`create delete ${read} patch update`, 'jobs'),
    batch('update', 'cronjobs/status'),
    batch('update', 'cronjobs/finalizers'),
    core('delete list watch', 'pods'),
    writeEvents,
  ],
  'daemon-set-controller': [
    apps(read, 'daemonsets'),
    apps('update', 'daemonsets/status'),
    apps('update', 'daemonsets/finalizers'),
    core('list watch', 'nodes'),
    core('create delete list patch watch', 'pods'),
    core('create', 'pods/binding'),
    revisions,
    writeEvents,
  ],
  'deployment-controller': [
    apps(`${read} update`, 'deployments'),
    apps('update', 'deployments/status'),
    apps('update', 'deployments/finalizers'),
    apps(`create delete ${read} patch update`, 'replicasets'),
    core(`${read} update`, 'pods'),
    writeEvents,
  ],
  'device-taint-eviction-controller': [
    core(`delete ${read}`, 'pods'),
    core('patch update', 'pods/status'),
    resource(read, 'resourceclaims'),
    resource(read, 'resourceslices'),
    resource(read, 'deviceclasses'),
    writeEvents,
  ],
  'disruption-controller': [
    apps(read, 'deployments'),
    apps(read, 'replicasets'),
    core(read, 'replicationcontrollers'),
    allow({ verbs: read, groups: 'policy', resources: 'poddisruptionbudgets' }),
    allow({ verbs: read, groups: 'apps', resources: 'statefulsets' }),
    allow({ verbs: 'update', groups: 'policy', resources: 'poddisruptionbudgets/status' }),
    core('patch update', 'pods/status'),
    allow({ verbs: 'get', groups: '*', resources: '*/scale' }),
    writeEvents,
  ],
  'endpoint-controller': [
    core(read, 'pods services'),
    core(`create delete ${read} update`, 'endpoints'),
    core('create', 'endpoints/restricted'),
    writeEvents,
  ],
  'endpointslice-controller': [
    core(read, 'nodes pods services'),
    core('update', 'services/finalizers'),
    slices,
    writeEvents,
  ],
  'endpointslicemirroring-controller': [
    core(read, 'endpoints services'),
    core('update', 'services/finalizers'),
    core('update', 'endpoints/finalizers'),
    slices,
    writeEvents,
  ],
  'ephemeral-volume-controller': [
    core(read, 'pods'),
    core('update', 'pods/finalizers'),
    core(`create ${read}`, 'persistentvolumeclaims'),
    writeEvents,
  ],
  'expand-controller': [
    core(`${read} patch update`, 'persistentvolumes'),
    core('patch update', 'persistentvolumeclaims/status'),
    core(read, 'persistentvolumeclaims'),
    writeEvents,
  ],
  'generic-garbage-collector': [
    allow({ verbs: `delete ${read} patch update`, groups: '*', resources: '*' }),
    writeEvents,
  ],
  'horizontal-pod-autoscaler': [
    allow({ verbs: read, groups: 'autoscaling', resources: 'horizontalpodautoscalers' }),
    allow({ verbs: 'update', groups: 'autoscaling', resources: 'horizontalpodautoscalers/status' }),
    allow({ verbs: 'get update', groups: '*', resources: '*/scale' }),
    core('list watch', 'pods'),
    allow({ verbs: 'list watch', groups: 'metrics.k8s.io', resources: 'pods' }),
    allow({ verbs: read, groups: 'custom.metrics.k8s.io', resources: '*' }),
    allow({ verbs: read, groups: 'external.metrics.k8s.io', resources: '*' }),
    writeEvents,
  ],
  'job-controller': [
    batch(`${read} patch update`, 'jobs'),
    batch('update', 'jobs/status'),
    batch('update', 'jobs/finalizers'),
    core('create delete list patch watch', 'pods'),
    writeEvents,
  ],
  'legacy-service-account-token-cleaner': [
    allow({
      verbs: 'get',
      groups: 'core',
      resources: 'configmaps',
      names: 'kube-apiserver-legacy-service-account-token-tracking',
    }),
    core('delete patch', 'secrets'),
  ],
  'namespace-controller': [
    core(`delete ${read}`, 'namespaces'),
    core('update', 'namespaces/finalize namespaces/status'),
    allow({ verbs: `delete deletecollection ${read}`, groups: '*', resources: '*' }),
  ],
  'node-controller': [
    core(`delete ${read} patch update`, 'nodes'),
    core('patch update', 'nodes/status'),
    core('patch update', 'pods/status'),
    core(`delete ${read}`, 'pods'),
    writeEvents,
  ],
  'persistent-volume-binder': [
    core(`create delete ${read} update`, 'persistentvolumes'),
    core('update', 'persistentvolumes/status'),
    core(`${read} update`, 'persistentvolumeclaims'),
    core('update', 'persistentvolumeclaims/status'),
    core(`create delete ${read}`, 'pods'),
    storage(read, 'storageclasses'),
    core('list watch', 'nodes'),
    writeEvents,
    core('watch', 'events'),
  ],
  'pod-garbage-collector': [core('delete list watch', 'pods'), core(read, 'nodes'), core('patch', 'pods/status')],
  'pv-protection-controller': [core(`${read} update`, 'persistentvolumes'), writeEvents],
  'pvc-protection-controller': [
    core(`${read} update`, 'persistentvolumeclaims'),
    core('update', 'persistentvolumeclaims/status'),
    core(read, 'pods'),
    writeEvents,
  ],
  'replicaset-controller': [
    apps(`${read} update`, 'replicasets'),
    apps('update', 'replicasets/status'),
    apps('update', 'replicasets/finalizers'),
    core('create delete list patch watch', 'pods'),
    writeEvents,
  ],
  'replication-controller': [
    core(`${read} update`, 'replicationcontrollers'),
    core('update', 'replicationcontrollers/status'),
    core('update', 'replicationcontrollers/finalizers'),
    core('create delete list patch watch', 'pods'),
    writeEvents,
  ],
  'resource-claim-controller': [
    core(read, 'pods'),
    core('update', 'pods/finalizers'),
    resource(`create delete ${read}`, 'resourceclaims'),
    resource('patch update', 'resourceclaims resourceclaims/status'),
    core('patch update', 'pods/status'),
    writeEvents,
    resource('patch update', 'resourceclaims/binding'),
  ],
  'resourcequota-controller': [
    allow({ verbs: 'list watch', groups: '*', resources: '*' }),
    core('update', 'resourcequotas/status'),
    writeEvents,
  ],
  'root-ca-cert-publisher': [core('create update', 'configmaps'), writeEvents],
  'route-controller': [core('list watch', 'nodes'), core('patch', 'nodes/status'), writeEvents],
  'selinux-warning-controller': [
    writeEvents,
    core(read, 'persistentvolumes'),
    core(read, 'persistentvolumeclaims'),
    core(read, 'pods'),
    storage(read, 'csidrivers'),
  ],
  'service-account-controller': [core('create', 'serviceaccounts'), writeEvents],
  'service-cidrs-controller': [
    networking(`${read} patch update`, 'servicecidrs'),
    networking('patch update', 'servicecidrs/finalizers'),
    networking('patch update', 'servicecidrs/status'),
    networking(read, 'ipaddresses'),
    writeEvents,
  ],
  'service-controller': [
    core(read, 'services'),
    core('patch update', 'services/status'),
    core('list watch', 'nodes'),
    writeEvents,
  ],
  'statefulset-controller': [
    core('list watch', 'pods'),
    allow({ verbs: read, groups: 'apps', resources: 'statefulsets' }),
    allow({ verbs: 'update', groups: 'apps', resources: 'statefulsets/status' }),
    allow({ verbs: 'update', groups: 'apps', resources: 'statefulsets/finalizers' }),
    core('create delete get patch update', 'pods'),
    revisions,
    core(`create ${read}`, 'persistentvolumeclaims'),
    core('delete update', 'persistentvolumeclaims'),
    core('update', 'pods/finalizers'),
    writeEvents,
  ],
  'ttl-after-finished-controller': [batch(`delete ${read}`, 'jobs'), writeEvents],
  'ttl-controller': [core('list patch update watch', 'nodes'), writeEvents],
  'validatingadmissionpolicy-status-controller': [
    admission(read, 'validatingadmissionpolicies'),
    admission('get patch update', 'validatingadmissionpolicies/status'),
    writeEvents,
  ],
  'volumeattributesclass-protection-controller': [
    core(read, 'persistentvolumeclaims'),
    core(read, 'persistentvolumes'),
    storage(`${read} update`, 'volumeattributesclasses'),
    writeEvents,
  ],
};

const roleName = (controller: string) => `system:controller:${controller}`;

export const controllerRoles: readonly ClusterRole[] = Object.entries(rulesByController).map(([controller, rules]) =>
  clusterRole(roleName(controller), rules),
);

export const controllerRoleBindings: readonly ClusterRoleBinding[] = Object.keys(rulesByController).map((controller) =>
  bindEverywhere(roleName(controller), [serviceAccount(controller)]),
);
