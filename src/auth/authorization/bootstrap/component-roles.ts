import type { ClusterRole, ClusterRoleBinding } from '../../../api/kubernetes/rbac-v1.ts';
import { nodeRules } from './node-rules.ts';
import { bindEverywhere, clusterRole, group, serviceAccount, user } from './policy-objects.ts';
import { allow, allowPaths, read, readWrite, writeEvents } from './rule-text.ts';

const authentication = 'authentication.k8s.io';
const authorization = 'authorization.k8s.io';
const certificates = 'certificates.k8s.io';
const coordination = 'coordination.k8s.io';
const discovery = 'discovery.k8s.io';
const resource = 'resource.k8s.io';
const storage = 'storage.k8s.io';

const reviewTokens = allow({ verbs: 'create', groups: authentication, resources: 'tokenreviews' });
const reviewAccess = allow({ verbs: 'create', groups: authorization, resources: 'subjectaccessreviews' });
const approve = (signer: string) =>
  allow({ verbs: 'approve', groups: certificates, resources: 'signers', names: `kubernetes.io/${signer}` });

/** Roles for every caller, for nodes and for the parts of the control plane. */
export const componentRoles: readonly ClusterRole[] = [
  clusterRole('system:discovery', [
    allowPaths('get', '/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/'),
  ]),
  clusterRole('system:basic-user', [
    allow({ verbs: 'create', groups: authorization, resources: 'selfsubjectaccessreviews selfsubjectrulesreviews' }),
    allow({ verbs: 'create', groups: authentication, resources: 'selfsubjectreviews' }),
  ]),
  clusterRole('system:public-info-viewer', [allowPaths('get', '/healthz /livez /readyz /version /version/')]),
  clusterRole('system:monitoring', [
    allowPaths('get', '/healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*'),
    allow({ verbs: 'get', groups: 'core', resources: 'nodes/metrics' }),
  ]),
  clusterRole('system:service-account-issuer-discovery', [
    allowPaths(
      'get',
      '/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/',
    ),
  ]),
  clusterRole('system:auth-delegator', [reviewTokens, reviewAccess]),
  clusterRole('system:kube-aggregator', [allow({ verbs: read, groups: 'core', resources: 'endpoints services' })]),
  clusterRole('system:heapster', [
    allow({ verbs: read, groups: 'core', resources: 'events namespaces nodes pods' }),
    allow({ verbs: read, groups: 'extensions', resources: 'deployments' }),
  ]),
  clusterRole('system:kube-dns', [allow({ verbs: 'list watch', groups: 'core', resources: 'endpoints services' })]),
  clusterRole('system:persistent-volume-provisioner', [
    allow({ verbs: 'create delete get list watch', groups: 'core', resources: 'persistentvolumes' }),
    allow({ verbs: 'get list update watch', groups: 'core', resources: 'persistentvolumeclaims' }),
    allow({ verbs: read, groups: storage, resources: 'storageclasses' }),
    allow({ verbs: 'watch', groups: 'core', resources: 'events' }),
    writeEvents,
  ]),

  clusterRole('system:node', nodeRules),
  // What an agent of a node's tunnel needs to register with the tunnel server on the API server's port.
  clusterRole('fairlead:tunnel-agent', [allowPaths('post', '/AgentService/Connect')]),
  clusterRole('system:node-bootstrapper', [
    allow({ verbs: `create ${read}`, groups: certificates, resources: 'certificatesigningrequests' }),
  ]),
  clusterRole('system:node-problem-detector', [
    allow({ verbs: 'get', groups: 'core', resources: 'nodes' }),
    allow({ verbs: 'patch', groups: 'core', resources: 'nodes/status' }),
    writeEvents,
  ]),
  clusterRole('system:node-proxier', [
    allow({ verbs: 'list watch', groups: 'core', resources: 'endpoints services' }),
    allow({ verbs: read, groups: 'core', resources: 'nodes' }),
    writeEvents,
    allow({ verbs: 'list watch', groups: discovery, resources: 'endpointslices' }),
    allow({ verbs: 'list watch', groups: 'networking.k8s.io', resources: 'servicecidrs' }),
  ]),
  clusterRole('system:kubelet-api-admin', [
    allow({ verbs: read, groups: 'core', resources: 'nodes' }),
    allow({ verbs: 'proxy', groups: 'core', resources: 'nodes' }),
    allow({
      verbs: '*',
      groups: 'core',
      resources: 'nodes/configz nodes/healthz nodes/log nodes/metrics nodes/pods nodes/proxy nodes/stats',
    }),
  ]),

  clusterRole('system:certificates.k8s.io:certificatesigningrequests:nodeclient', [
    allow({ verbs: 'create', groups: certificates, resources: 'certificatesigningrequests/nodeclient' }),
  ]),
  clusterRole('system:certificates.k8s.io:certificatesigningrequests:selfnodeclient', [
    allow({ verbs: 'create', groups: certificates, resources: 'certificatesigningrequests/selfnodeclient' }),
  ]),
  clusterRole('system:certificates.k8s.io:legacy-unknown-approver', [approve('legacy-unknown')]),
  clusterRole('system:certificates.k8s.io:kubelet-serving-approver', [approve('kubelet-serving')]),
  clusterRole('system:certificates.k8s.io:kube-apiserver-client-approver', [approve('kube-apiserver-client')]),
  clusterRole('system:certificates.k8s.io:kube-apiserver-client-kubelet-approver', [
    approve('kube-apiserver-client-kubelet'),
  ]),

  clusterRole('system:volume-scheduler', [
    allow({ verbs: `${read} patch update`, groups: 'core', resources: 'persistentvolumeclaims persistentvolumes' }),
    allow({ verbs: read, groups: storage, resources: 'storageclasses' }),
  ]),
  clusterRole('system:kube-scheduler', [
    writeEvents,
    allow({ verbs: 'create', groups: coordination, resources: 'leases' }),
    allow({ verbs: `${read} update`, groups: coordination, resources: 'leases', names: 'kube-scheduler' }),
    allow({ verbs: readWrite, groups: coordination, resources: 'leasecandidates' }),
    allow({ verbs: read, groups: 'core', resources: 'nodes' }),
    allow({ verbs: `delete ${read}`, groups: 'core', resources: 'pods' }),
    allow({ verbs: 'create', groups: 'core', resources: 'bindings pods/binding' }),
    allow({ verbs: 'patch update', groups: 'core', resources: 'pods/status' }),
    allow({ verbs: read, groups: 'core', resources: 'replicationcontrollers services' }),
    allow({ verbs: read, groups: 'apps extensions', resources: 'replicasets' }),
    allow({ verbs: read, groups: 'apps', resources: 'statefulsets' }),
    allow({ verbs: read, groups: 'policy', resources: 'poddisruptionbudgets' }),
    allow({ verbs: read, groups: 'core', resources: 'persistentvolumeclaims persistentvolumes' }),
    reviewTokens,
    reviewAccess,
    allow({ verbs: read, groups: storage, resources: 'csinodes csidrivers csistoragecapacities volumeattachments' }),
    allow({ verbs: read, groups: 'core', resources: 'namespaces' }),
    allow({ verbs: read, groups: resource, resources: 'deviceclasses resourceclaims resourceslices' }),
    allow({ verbs: `create ${read} patch update`, groups: resource, resources: 'resourceclaims' }),
    allow({ verbs: 'patch update', groups: resource, resources: 'resourceclaims/binding resourceclaims/status' }),
    allow({ verbs: read, groups: 'scheduling.k8s.io', resources: 'podgroups priorityclasses workloads' }),
  ]),
  clusterRole('system:kube-controller-manager', [
    writeEvents,
    allow({ verbs: 'create', groups: coordination, resources: 'leases' }),
    allow({ verbs: 'get update', groups: coordination, resources: 'leases', names: 'kube-controller-manager' }),
    allow({ verbs: readWrite, groups: coordination, resources: 'leasecandidates' }),
    allow({ verbs: 'create', groups: 'core', resources: 'secrets serviceaccounts' }),
    allow({ verbs: 'delete', groups: 'core', resources: 'secrets' }),
    allow({ verbs: 'get', groups: 'core', resources: 'configmaps namespaces secrets serviceaccounts' }),
    allow({ verbs: 'update', groups: 'core', resources: 'secrets serviceaccounts' }),
    reviewTokens,
    reviewAccess,
    // Informers of all controllers share this identity.
    allow({ verbs: 'list watch', groups: '*', resources: '*' }),
    allow({ verbs: 'create', groups: 'core', resources: 'serviceaccounts/token' }),
  ]),
];

export const componentRoleBindings: readonly ClusterRoleBinding[] = [
  bindEverywhere('cluster-admin', [group('system:masters')]),
  bindEverywhere('system:monitoring', [group('system:monitoring')]),
  bindEverywhere('system:discovery', [group('system:authenticated')]),
  bindEverywhere('system:basic-user', [group('system:authenticated')]),
  bindEverywhere('system:public-info-viewer', [group('system:authenticated'), group('system:unauthenticated')]),
  bindEverywhere('system:node-proxier', [user('system:kube-proxy')]),
  bindEverywhere('system:kube-controller-manager', [user('system:kube-controller-manager')]),
  bindEverywhere('system:kube-dns', [serviceAccount('kube-dns')]),
  bindEverywhere('system:kube-scheduler', [user('system:kube-scheduler')]),
  bindEverywhere('system:volume-scheduler', [user('system:kube-scheduler')]),
  bindEverywhere('system:service-account-issuer-discovery', [group('system:serviceaccounts')]),
  bindEverywhere('fairlead:tunnel-agent', [group('system:nodes')]),
  // Kubelets are judged by the Node authorizer; the role is bound to nobody.
  bindEverywhere('system:node', []),
];
