import type { Role, RoleBinding } from '../../../api/kubernetes/rbac-v1.ts';
import { bindIn, role, serviceAccount, user } from './policy-objects.ts';
import { allow, read, writeEvents } from './rule-text.ts';

const system = 'kube-system';
const reader = 'extension-apiserver-authentication-reader';
const controllerManager = user('system:kube-controller-manager');
const scheduler = user('system:kube-scheduler');

const elect = ['leases', 'leasecandidates'].map((resources) =>
  allow({ verbs: `create ${read} update`, groups: 'coordination.k8s.io', resources }),
);
const readSecrets = allow({ verbs: read, groups: 'core', resources: 'secrets' });

export const namespacedRoles: readonly Role[] = [
  role(system, reader, [
    allow({ verbs: read, groups: 'core', resources: 'configmaps', names: 'extension-apiserver-authentication' }),
  ]),
  role(system, 'system::leader-locking-kube-controller-manager', elect),
  role(system, 'system::leader-locking-kube-scheduler', elect),
  role(system, 'system:controller:bootstrap-signer', [readSecrets]),
  role(system, 'system:controller:cloud-provider', [
    allow({ verbs: `create ${read}`, groups: 'core', resources: 'configmaps' }),
  ]),
  role(system, 'system:controller:token-cleaner', [
    allow({ verbs: `delete ${read}`, groups: 'core', resources: 'secrets' }),
    writeEvents,
  ]),
  role('kube-public', 'system:controller:bootstrap-signer', [
    allow({ verbs: read, groups: 'core', resources: 'configmaps' }),
    allow({ verbs: 'update', groups: 'core', resources: 'configmaps', names: 'cluster-info' }),
    writeEvents,
  ]),
];

export const namespacedRoleBindings: readonly RoleBinding[] = [
  bindIn(system, reader, { subjects: [controllerManager, scheduler], name: `system::${reader}` }),
  bindIn(system, 'system::leader-locking-kube-controller-manager', {
    subjects: [controllerManager, serviceAccount('kube-controller-manager')],
  }),
  bindIn(system, 'system::leader-locking-kube-scheduler', { subjects: [scheduler, serviceAccount('kube-scheduler')] }),
  bindIn(system, 'system:controller:bootstrap-signer', { subjects: [serviceAccount('bootstrap-signer')] }),
  bindIn(system, 'system:controller:cloud-provider', { subjects: [serviceAccount('cloud-provider')] }),
  bindIn(system, 'system:controller:token-cleaner', { subjects: [serviceAccount('token-cleaner')] }),
  bindIn('kube-public', 'system:controller:bootstrap-signer', { subjects: [serviceAccount('bootstrap-signer')] }),
];
