import type { PolicyRule } from '../../../api/kubernetes/rbac-v1.ts';
import { allow, read, writeEvents } from './rule-text.ts';

const storage = 'storage.k8s.io';
const resource = 'resource.k8s.io';

/**
 * What a kubelet may do whatever runs on its node: the ClusterRole `system:node`, and the fixed part of the Node authorizer.
 * Resources that the Node authorizer judges itself are narrowed there.
 */
export const nodeRules: readonly PolicyRule[] = [
  // Delegated authentication and authorization of the kubelet's own endpoint.
  allow({ verbs: 'create', groups: 'authentication.k8s.io', resources: 'tokenreviews' }),
  allow({
    verbs: 'create',
    groups: 'authorization.k8s.io',
    resources: 'localsubjectaccessreviews subjectaccessreviews',
  }),
  allow({ verbs: read, groups: 'core', resources: 'services' }),
  allow({ verbs: `create ${read}`, groups: 'core', resources: 'nodes' }),
  allow({ verbs: 'patch update', groups: 'core', resources: 'nodes/status' }),
  allow({ verbs: 'patch update', groups: 'core', resources: 'nodes' }),
  writeEvents,
  allow({ verbs: read, groups: 'core', resources: 'pods' }),
  allow({ verbs: 'create delete', groups: 'core', resources: 'pods' }),
  allow({ verbs: 'patch update', groups: 'core', resources: 'pods/status' }),
  allow({ verbs: 'create', groups: 'core', resources: 'pods/eviction' }),
  allow({ verbs: read, groups: 'core', resources: 'configmaps secrets' }),
  allow({ verbs: 'get', groups: 'core', resources: 'persistentvolumeclaims persistentvolumes' }),
  allow({ verbs: 'get', groups: 'core', resources: 'endpoints' }),
  allow({ verbs: `create ${read}`, groups: 'certificates.k8s.io', resources: 'certificatesigningrequests' }),
  allow({
    verbs: 'create delete get patch update',
    groups: 'coordination.k8s.io',
    resources: 'leases',
  }),
  allow({ verbs: 'get', groups: storage, resources: 'volumeattachments' }),
  allow({ verbs: 'create', groups: 'core', resources: 'serviceaccounts/token' }),
  allow({ verbs: 'get', groups: 'core', resources: 'serviceaccounts' }),
  allow({ verbs: 'get patch update', groups: 'core', resources: 'persistentvolumeclaims/status' }),
  allow({ verbs: read, groups: storage, resources: 'csidrivers' }),
  allow({ verbs: 'create delete get patch update', groups: storage, resources: 'csinodes' }),
  allow({ verbs: read, groups: 'node.k8s.io', resources: 'runtimeclasses' }),
  allow({ verbs: 'get', groups: resource, resources: 'resourceclaims' }),
  allow({
    verbs: `deletecollection create delete patch update ${read}`,
    groups: resource,
    resources: 'resourceslices',
  }),
];
