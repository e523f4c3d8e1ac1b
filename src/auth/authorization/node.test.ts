import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../../api/object.ts';
import type { Attributes } from '../authorizer.ts';
import { MemoryObjects } from '../memory-objects.ts';
import { createAuthorizer } from './create-authorizer.ts';

const user = (username: string, groups = ['system:nodes', 'system:authenticated']) => ({
  username,
  uid: '',
  groups,
  extra: {},
});

/** A pod on each node that refers to one object of every kind, all named for the node. */
function twoNodes(): MemoryObjects {
  const objects = new MemoryObjects();
  for (const node of ['n1', 'n2']) {
    objects.set('pods', podOn(node));
    const claimRef = { namespace: 'ns', name: `claim-${node}` };
    const csi = { driver: 'd', volumeHandle: 'h', nodeStageSecretRef: { name: `pv-secret-${node}`, namespace: 'ns' } };
    objects.set('persistentvolumes', { metadata: { name: `pv-${node}` }, spec: { claimRef, csi } } as KubeObject);
    objects.set('volumeattachments.storage.k8s.io', {
      metadata: { name: `va-${node}` },
      spec: { nodeName: node },
    } as KubeObject);
    objects.set('resourceslices.resource.k8s.io', {
      metadata: { name: `slice-${node}` },
      spec: { nodeName: node },
    } as KubeObject);
  }
  return objects;
}

function podOn(node: string, metadata: object = {}): KubeObject {
  const spec = {
    nodeName: node,
    serviceAccountName: `sa-${node}`,
    imagePullSecrets: [{ name: `pull-${node}` }],
    initContainers: [{ name: 'i', envFrom: [{ configMapRef: { name: `cm-from-${node}` } }] }],
    containers: [{ name: 'c', env: [{ name: 'X', valueFrom: { secretKeyRef: { name: `env-${node}`, key: 'k' } } }] }],
    ephemeralContainers: [{ name: 'e', envFrom: [{ secretRef: { name: `debug-${node}` } }] }],
    resourceClaims: [{ name: 'r', resourceClaimName: `rc-${node}` }],
    volumes: [
      { name: 'a', secret: { secretName: `vol-${node}` } },
      { name: 'b', projected: { sources: [{ configMap: { name: `cm-${node}` } }] } },
      { name: 'c', persistentVolumeClaim: { claimName: `claim-${node}` } },
      { name: 'scratch', ephemeral: {} },
    ],
  };
  return { metadata: { name: `pod-${node}`, namespace: 'ns', uid: node, ...metadata }, spec } as KubeObject;
}

/** `verb group/resource[/subresource] namespace name [fieldSelector]` */
function ask(text: string, as = user('system:node:n1')): Attributes {
  const [verb = '', target = '', namespace = '', name = '', fieldSelector] = text.split(' ');
  const [group = '', resource = '', subresource = ''] = target.split('/');
  const bare = (part: string) => (part === '-' ? '' : part);
  return {
    kind: 'resource',
    user: as,
    verb,
    group: bare(group),
    version: 'v1',
    resource,
    subresource,
    namespace: bare(namespace),
    name: bare(name),
    ...(fieldSelector !== undefined && { fieldSelector }),
  };
}

/** `@` stands for the node whose object it is. */
const related = [
  'get -/secrets ns pull-@',
  'list -/secrets ns env-@',
  'watch -/secrets ns vol-@',
  'get -/secrets ns debug-@',
  'get -/secrets ns pv-secret-@',
  'get -/configmaps ns cm-@',
  'get -/configmaps ns cm-from-@',
  'get -/persistentvolumeclaims ns claim-@',
  'get -/persistentvolumeclaims ns pod-@-scratch',
  'update -/persistentvolumeclaims/status ns claim-@',
  'get -/persistentvolumes - pv-@',
  'get resource.k8s.io/resourceclaims ns rc-@',
  'get storage.k8s.io/volumeattachments - va-@',
  'get -/serviceaccounts ns sa-@',
  'create -/serviceaccounts/token ns sa-@',
  'get -/pods ns pod-@',
  'watch -/pods ns pod-@',
  'delete resource.k8s.io/resourceslices - slice-@',
];

test('a node reaches what its pods refer to, and nothing of another node', () => {
  using authorizer = createAuthorizer({ modes: ['Node', 'RBAC'], objects: twoNodes() });
  for (const text of related) {
    assert.equal(authorizer.authorize(ask(text.replace('@', 'n1'))).verdict, 'allow', text);
    assert.deepEqual(
      authorizer.authorize(ask(text.replace('@', 'n2'))),
      { verdict: 'noOpinion', reason: "no relationship found between node 'n1' and this object" },
      text,
    );
  }
});

const always = [
  'create -/pods ns',
  'delete -/pods ns pod-n1',
  'update -/pods/status ns pod-n1',
  'create -/pods/eviction ns pod-n1',
  'list -/pods - - spec.nodeName=n1',
  'watch -/pods - - metadata.namespace!=x,spec.nodeName=n1',
  'get -/nodes - n1',
  'watch -/nodes - n1',
  'create -/nodes',
  'patch -/nodes - n1',
  'patch -/nodes/status - n1',
  'create coordination.k8s.io/leases kube-node-lease',
  'update coordination.k8s.io/leases kube-node-lease n1',
  'get storage.k8s.io/csinodes - n1',
  'list resource.k8s.io/resourceslices - - spec.nodeName=n1',
  'create certificates.k8s.io/certificatesigningrequests',
  'list -/services',
  'create -/events ns',
  'create authorization.k8s.io/subjectaccessreviews',
  'watch node.k8s.io/runtimeclasses',
];

const never: Array<[string, string]> = [
  ['list -/secrets ns', 'No Object name found'],
  ['list -/secrets', 'can only read namespaced object of this type'],
  ['create -/secrets ns', 'can only read resources of this type'],
  ['update -/configmaps ns cm-n1', 'can only read resources of this type'],
  ['list -/pods', 'can only list/watch pods with spec.nodeName field selector'],
  ['list -/pods - - spec.nodeName=n2', 'can only list/watch pods with spec.nodeName field selector'],
  ['list -/pods - - spec.nodeName!=n1', 'can only list/watch pods with spec.nodeName field selector'],
  [
    'list -/pods - - metadata.namespace!=x\\,spec.nodeName=n1',
    'can only list/watch pods with spec.nodeName field selector',
  ],
  ['create -/pods/exec ns pod-n1', 'cannot access pod subresource exec'],
  ['create -/pods/binding ns pod-n1', 'cannot access pod subresource binding'],
  ['update -/pods ns pod-n1', 'cannot update pods'],
  ['get -/nodes - n2', "node 'n1' cannot read 'n2', only its own Node object"],
  ['list -/nodes', "node 'n1' cannot read all nodes, only its own Node object"],
  ['delete -/nodes - n1', 'cannot delete nodes'],
  ['get -/nodes/proxy - n1', 'cannot access node subresource proxy'],
  [
    'update coordination.k8s.io/leases kube-system n1',
    'can only access leases in the "kube-node-lease" system namespace',
  ],
  [
    'get coordination.k8s.io/leases kube-node-lease n2',
    'can only access node lease with the same name as the requesting node',
  ],
  ['list coordination.k8s.io/leases kube-node-lease', 'can only get, create, update, patch, or delete a node lease'],
  ['update storage.k8s.io/csinodes - n2', 'can only access CSINode with the same name as the requesting node'],
  ['list -/serviceaccounts ns', 'can only get individual resources of this type'],
  ['create -/serviceaccounts ns', 'can only get individual resources of this type'],
  ['update certificates.k8s.io/certificatesigningrequests/approval - x', ''],
  ['get -/endpointslices ns x', ''],
  ['create rbac.authorization.k8s.io/clusterrolebindings', ''],
];

test('a node has the fixed rights of every kubelet', () => {
  using authorizer = createAuthorizer({ modes: ['Node', 'RBAC'], objects: twoNodes() });
  for (const text of always) assert.equal(authorizer.authorize(ask(text)).verdict, 'allow', text);
  for (const [text, reason] of never) {
    assert.deepEqual(authorizer.authorize(ask(text)), { verdict: 'noOpinion', reason }, text);
  }
});

test('only a system:node: name with the group system:nodes is a node', () => {
  using authorizer = createAuthorizer({ modes: ['Node', 'RBAC'], objects: twoNodes() });
  for (const as of [user('system:node:n1', []), user('n1'), user('system:node:'), user('system:node:n3')]) {
    assert.equal(authorizer.authorize(ask('get -/secrets ns env-n1', as)).verdict, 'noOpinion', as.username);
  }
});

test('relationships come and go with the pods', () => {
  const objects = twoNodes();
  using authorizer = createAuthorizer({ modes: ['Node', 'RBAC'], objects });
  const may = (text: string) => authorizer.authorize(ask(text)).verdict === 'allow';
  objects.set('pods', { metadata: { name: 'late', namespace: 'ns' }, spec: { volumes: [] } } as KubeObject);
  const bound = { nodeName: 'n1', volumes: [{ name: 'v', secret: { secretName: 'late' } }] };
  objects.set('pods', { metadata: { name: 'late', namespace: 'ns' }, spec: bound } as KubeObject);
  assert.equal(may('get -/secrets ns late'), true);
  objects.delete('pods', { namespace: 'ns', name: 'late' });
  assert.equal(may('get -/secrets ns late'), false);
  objects.delete('pods', { namespace: 'ns', name: 'pod-n1' });
  assert.deepEqual(
    related.filter((text) => may(text.replace('@', 'n1'))),
    ['get storage.k8s.io/volumeattachments - va-@', 'delete resource.k8s.io/resourceslices - slice-@'],
  );
});

test('a mirror pod leads to nothing but itself', () => {
  const objects = new MemoryObjects();
  objects.set('pods', podOn('n1', { annotations: { 'kubernetes.io/config.mirror': 'x' } }));
  using authorizer = createAuthorizer({ modes: ['Node'], objects });
  const allowed = related.filter((text) => authorizer.authorize(ask(text.replace('@', 'n1'))).verdict === 'allow');
  assert.deepEqual(allowed, ['get -/pods ns pod-@', 'watch -/pods ns pod-@']);
});
