import type { ClusterRole, ClusterRoleBinding, Role, RoleBinding } from '../../../api/kubernetes/rbac-v1.ts';
import { bindEverywhere, bindIn, clusterRole, group, role, serviceAccount, user } from './policy-objects.ts';
import { allow } from './rule-text.ts';

const bootstrappers = group('system:bootstrappers:kubeadm:default-node-token');
const nodes = group('system:nodes');
const requests = 'system:certificates.k8s.io:certificatesigningrequests';
const clusterInfoRole = 'kubeadm:bootstrap-signer-clusterinfo';

/** What kubeadm adds, so that nodes can join and their certificates renew themselves. Names and rights are kubeadm's. */
export const joinClusterRoles: readonly ClusterRole[] = [
  clusterRole('kubeadm:get-nodes', [allow({ verbs: 'get', groups: 'core', resources: 'nodes' })]),
];

export const joinClusterRoleBindings: readonly ClusterRoleBinding[] = [
  bindEverywhere('cluster-admin', [group('kubeadm:cluster-admins')], 'kubeadm:cluster-admins'),
  bindEverywhere('kubeadm:get-nodes', [bootstrappers]),
  bindEverywhere('system:node-bootstrapper', [bootstrappers], 'kubeadm:kubelet-bootstrap'),
  bindEverywhere(`${requests}:nodeclient`, [bootstrappers], 'kubeadm:node-autoapprove-bootstrap'),
  bindEverywhere(`${requests}:selfnodeclient`, [nodes], 'kubeadm:node-autoapprove-certificate-rotation'),
  bindEverywhere('system:node-proxier', [serviceAccount('kube-proxy')], 'kubeadm:node-proxier'),
  // The API server's own client certificate for kubelets: the least that logs, exec and metrics need.
  bindEverywhere(
    'system:kubelet-api-admin',
    [user('kube-apiserver-kubelet-client')],
    'fairlead:apiserver-kubelet-client',
  ),
  // Serving certificates are approved by a controller that checks every name in them; upstream leaves that to people.
  bindEverywhere(
    'system:certificates.k8s.io:kubelet-serving-approver',
    [serviceAccount('certificate-controller')],
    'fairlead:kubelet-serving-approver',
  ),
];

export const joinRoles: readonly Role[] = [
  role('kube-public', clusterInfoRole, [
    allow({ verbs: 'get', groups: 'core', resources: 'configmaps', names: 'cluster-info' }),
  ]),
  role('kube-system', 'kubeadm:kubelet-config', [
    allow({ verbs: 'get', groups: 'core', resources: 'configmaps', names: 'kubelet-config' }),
  ]),
  role('kube-system', 'kubeadm:nodes-kubeadm-config', [
    allow({ verbs: 'get', groups: 'core', resources: 'configmaps', names: 'kubeadm-config' }),
  ]),
];

export const joinRoleBindings: readonly RoleBinding[] = [
  bindIn('kube-public', clusterInfoRole, { subjects: [user('system:anonymous')] }),
  bindIn('kube-system', 'kubeadm:kubelet-config', { subjects: [nodes, bootstrappers] }),
  bindIn('kube-system', 'kubeadm:nodes-kubeadm-config', { subjects: [bootstrappers, nodes] }),
];
