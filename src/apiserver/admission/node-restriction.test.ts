import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../../api/object.ts';
import { createAuthorizer } from '../../auth/authorization/create-authorizer.ts';
import { rbacResources } from '../../auth/authorization/rbac-index.ts';
import { MemoryObjects } from '../../auth/memory-objects.ts';
import { createCertificateRequest } from '../../pki/certificate-request.ts';
import { MemoryLive, refusalOf, type TestRequest } from './admission-attributes-suite.ts';
import { NodeRestriction } from './node-restriction.ts';

const n1 = { username: 'system:node:n1', groups: ['system:nodes', 'system:authenticated'] };

function setUp() {
  const objects = new MemoryObjects();
  objects.set('nodes', { metadata: { name: 'n1', uid: 'u1' } });
  const token = { projected: { sources: [{ serviceAccountToken: { path: 't', audience: 'vault' } }] } };
  for (const node of ['n1', 'n2']) {
    const spec = { nodeName: node, volumes: [{ name: 'v', ...token }] };
    objects.set('pods', { metadata: { name: `on-${node}`, namespace: 'ns', uid: `uid-${node}` }, spec } as KubeObject);
  }
  objects.set(rbacResources.clusterRoles, {
    metadata: { name: 'audience' },
    rules: [{ verbs: ['request-serviceaccounts-token-audience'], apiGroups: [''], resources: ['granted'] }],
  } as KubeObject);
  objects.set(rbacResources.clusterRoleBindings, {
    metadata: { name: 'audience' },
    roleRef: { kind: 'ClusterRole', name: 'audience' },
    subjects: [{ kind: 'Group', name: 'system:nodes' }],
  } as KubeObject);
  const authorizer = createAuthorizer({ modes: ['RBAC'], objects });
  const plugin = new NodeRestriction({ objects, live: new MemoryLive(), authorizer });
  return (request: TestRequest) => refusalOf(plugin, { user: n1, ...request });
}

/** `undefined` is a request that goes through; a refusal is what follows `is forbidden: `. */
async function check(cases: Array<[TestRequest, string | undefined]>): Promise<void> {
  const refusal = setUp();
  for (const [request, expected] of cases) {
    const message = await refusal(request);
    assert.equal(message?.replace(/^.* is forbidden: /, ''), expected, JSON.stringify(request));
  }
}

const owner = { apiVersion: 'v1', kind: 'Node', name: 'n1', uid: 'u1', controller: true };

function mirrorPod({ metadata = {}, spec = {} }: { metadata?: object; spec?: object } = {}): TestRequest {
  const annotations = { 'kubernetes.io/config.mirror': 'hash' };
  const object = {
    metadata: { name: 'm', annotations, ownerReferences: [owner], ...metadata },
    spec: { nodeName: 'n1', containers: [{ name: 'c' }], ...spec },
  };
  return { operation: 'CREATE', resource: 'pods', namespace: 'ns', name: 'm', object };
}

test('a node creates only mirror pods of its own that need nothing of the API', () =>
  check([
    [mirrorPod(), undefined],
    [mirrorPod({ spec: { volumes: [{ name: 'h', hostPath: { path: '/' } }] } }), undefined],
    [
      mirrorPod({ metadata: { annotations: {} } }),
      'pod does not have "kubernetes.io/config.mirror" annotation, node "n1" can only create mirror pods',
    ],
    [mirrorPod({ spec: { nodeName: 'n2' } }), 'node "n1" can only create pods with spec.nodeName set to itself'],
    [
      mirrorPod({ metadata: { ownerReferences: [] } }),
      'node "n1" can only create pods with a single owner reference set to itself',
    ],
    [
      mirrorPod({ metadata: { ownerReferences: [{ ...owner, name: 'n2' }] } }),
      'node "n1" can only create pods with an owner reference set to itself',
    ],
    [
      mirrorPod({ metadata: { ownerReferences: [{ ...owner, controller: false }] } }),
      'node "n1" can only create pods with a controller owner reference set to itself',
    ],
    [
      mirrorPod({ metadata: { ownerReferences: [{ ...owner, blockOwnerDeletion: true }] } }),
      'node "n1" must not set blockOwnerDeletion on an owner reference',
    ],
    [
      mirrorPod({ metadata: { ownerReferences: [{ ...owner, uid: 'old' }] } }),
      'node "n1" UID mismatch: expected old got u1',
    ],
    [
      mirrorPod({ spec: { serviceAccountName: 'sa' } }),
      'node "n1" can not create pods that reference a service account',
    ],
    [
      mirrorPod({ spec: { volumes: [{ name: 'v', secret: { secretName: 's' } }] } }),
      'node "n1" can not create pods that reference secrets',
    ],
    [
      mirrorPod({ spec: { containers: [{ name: 'c', envFrom: [{ configMapRef: { name: 'x' } }] }] } }),
      'node "n1" can not create pods that reference configmaps',
    ],
    [
      mirrorPod({ spec: { resourceClaims: [{ name: 'gpu' }] } }),
      'node "n1" can not create pods that reference resourceclaims',
    ],
    [
      mirrorPod({ spec: { volumes: [{ name: 'v', csi: { driver: 'd' } }] } }),
      'node "n1" can not create pods that reference csi volumes',
    ],
    [
      mirrorPod({ spec: { volumes: [{ name: 'v', brandNew: {} }] } }),
      'node "n1" can not create pods that reference brandNew volumes',
    ],
    [
      mirrorPod({ spec: { volumes: [{ name: 'v', projected: { sources: [{ serviceAccountToken: {} }] } }] } }),
      'node "n1" can not create pods that reference serviceAccountToken projections',
    ],
  ]));

test('a node deletes, evicts and reports only pods bound to it', () => {
  const on = (node: string) => ({ metadata: { name: 'p', labels: { a: 'b' } }, spec: { nodeName: node }, status: {} });
  const status = (changed: object, node = 'n1'): TestRequest => ({
    operation: 'UPDATE',
    resource: 'pods/status',
    namespace: 'ns',
    name: 'p',
    object: { ...on(node), ...changed },
    oldObject: on(node),
  });
  const remove = (node: string): TestRequest => ({
    operation: 'DELETE',
    resource: 'pods',
    namespace: 'ns',
    name: 'p',
    oldObject: on(node),
  });
  const evict = (name: string): TestRequest => ({
    operation: 'CREATE',
    resource: 'pods/eviction',
    namespace: 'ns',
    name,
    object: {},
  });
  return check([
    [remove('n1'), undefined],
    [remove('n2'), 'node "n1" can only delete pods with spec.nodeName set to itself'],
    [evict('on-n1'), undefined],
    [evict('on-n2'), 'node "n1" can only evict pods with spec.nodeName set to itself'],
    [evict('gone'), 'pods "gone" not found'],
    [status({ status: { phase: 'Running' } }), undefined],
    [status({}, 'n2'), 'node "n1" can only update pod status for pods with spec.nodeName set to itself'],
    [status({ metadata: { name: 'p', labels: { a: 'c' } } }), 'node "n1" cannot update labels through pod status'],
    [status({ status: { resourceClaimStatuses: [{ name: 'x' }] } }), 'node "n1" cannot update resource claim statuses'],
    [
      status({ status: { extendedResourceClaimStatus: { resourceClaimName: 'x' } } }),
      'node "n1" cannot update extended resource claim status',
    ],
    [
      { operation: 'UPDATE', resource: 'pods', namespace: 'ns', name: 'p', object: on('n1'), oldObject: on('n1') },
      'unexpected operation "UPDATE", node "n1" can only create and delete mirror pods',
    ],
    [
      {
        operation: 'UPDATE',
        resource: 'pods/ephemeralcontainers',
        namespace: 'ns',
        name: 'p',
        object: {},
        oldObject: {},
      },
      `unexpected pod subresource "ephemeralcontainers", only 'status' and 'eviction' are allowed`,
    ],
    [
      { operation: 'CREATE', resource: 'pods/binding', namespace: 'ns', name: 'p', object: {} },
      `unexpected pod subresource "binding", only 'status' and 'eviction' are allowed`,
    ],
  ]);
});

test('a node writes only its own Node, and neither taints nor owners nor protected labels', () => {
  const create = (metadata: object, spec: object = {}): TestRequest => ({
    operation: 'CREATE',
    resource: 'nodes',
    object: { metadata: { name: 'n1', ...metadata }, spec },
  });
  const stored = {
    metadata: { name: 'n1', labels: { 'node-restriction.kubernetes.io/team': 'red', own: '1' } },
    spec: { taints: [{ key: 'k', effect: 'NoExecute' }] },
  };
  const update = (changed: { metadata?: object; spec?: object }, resource = 'nodes'): TestRequest => ({
    operation: 'UPDATE',
    resource,
    name: 'n1',
    object: { metadata: { ...stored.metadata, ...changed.metadata }, spec: { ...stored.spec, ...changed.spec } },
    oldObject: stored,
  });
  const labels = (extra: Record<string, string>) => ({ metadata: { labels: { ...stored.metadata.labels, ...extra } } });
  return check([
    [create({}), undefined],
    [create({}, { taints: [{ key: 'gpu', effect: 'NoSchedule' }] }), undefined],
    [create({ name: 'n2' }), 'node "n1" is not allowed to modify node "n2"'],
    [
      create({
        labels: {
          'kubernetes.io/hostname': 'n1',
          'topology.kubernetes.io/zone': 'z',
          'node.kubernetes.io/x': '1',
          'sub.kubelet.kubernetes.io/x': '1',
          'example.com/x': '1',
          plain: '1',
        },
      }),
      undefined,
    ],
    [
      create({ labels: { 'node-restriction.kubernetes.io/a': '1', 'sub.node-restriction.kubernetes.io/b': '1' } }),
      'node "n1" is not allowed to set the following labels: node-restriction.kubernetes.io/a, sub.node-restriction.kubernetes.io/b',
    ],
    [
      create({ labels: { 'node-role.kubernetes.io/control-plane': '', 'foo.k8s.io/x': '1' } }),
      'node "n1" is not allowed to set the following labels: foo.k8s.io/x, node-role.kubernetes.io/control-plane',
    ],
    [create({ ownerReferences: [owner] }), 'node "n1" is not allowed to set ownerReferences'],
    [create({}, { configSource: {} }), 'node "n1" is not allowed to create with a non-nil configSource'],
    [update({}), undefined],
    [update({}, 'nodes/status'), undefined],
    [update(labels({ own: '2', 'kubernetes.io/os': 'linux' })), undefined],
    [
      update({ metadata: { labels: { own: '1' } } }),
      'is not allowed to modify labels: node-restriction.kubernetes.io/team',
    ],
    [
      update(labels({ 'node-restriction.kubernetes.io/team': 'blue' }), 'nodes/status'),
      'is not allowed to modify labels: node-restriction.kubernetes.io/team',
    ],
    [update({ spec: { taints: [] } }), 'node "n1" is not allowed to modify taints'],
    [update({ metadata: { ownerReferences: [owner] } }), 'node "n1" is not allowed to modify ownerReferences'],
    [
      update({ spec: { configSource: { a: 1 } } }),
      'node "n1" cannot update configSource to a new non-nil configSource',
    ],
    [
      { operation: 'UPDATE', resource: 'nodes', name: 'n2', object: stored, oldObject: stored },
      'node "n1" is not allowed to modify node "n2"',
    ],
  ]);
});

test('a node gets tokens only for its own pods and the audiences they name', () => {
  const token = (ref: object | undefined, audiences: string[] = ['vault']): TestRequest => ({
    operation: 'CREATE',
    resource: 'serviceaccounts/token',
    namespace: 'ns',
    name: 'sa',
    object: { spec: { audiences, ...(ref && { boundObjectRef: ref }) } },
  });
  const pod = (node: string, uid = `uid-${node}`) => ({ apiVersion: 'v1', kind: 'Pod', name: `on-${node}`, uid });
  return check([
    [token(pod('n1')), undefined],
    [token(pod('n1'), ['granted']), undefined],
    [token(undefined), 'node requested token not bound to a pod'],
    [token({ ...pod('n1'), kind: 'Secret' }), 'node requested token not bound to a pod'],
    [token(pod('n1', '')), 'node requested token with a pod binding without a uid'],
    [token(pod('n2')), 'node requested token bound to a pod scheduled on a different node'],
    [token({ ...pod('n1'), name: 'gone' }), 'pods "gone" not found'],
    [
      token(pod('n1', 'old')),
      'Operation cannot be fulfilled on pods "on-n1": the UID in the bound object reference (old) does not match the UID in record. The object might have been deleted and then recreated',
    ],
    [token(pod('n1'), ['other']), 'audience "other" not found in pod spec volume'],
    [token(pod('n1'), []), 'audience "" not found in pod spec volume'],
    [token(pod('n1'), ['vault', 'granted']), 'node may only request 0 or 1 audiences'],
  ]);
});

test('a node grows claims, keeps its lease, its CSINode and its slices, and nothing else', () => {
  const claim = (changed: object): TestRequest => ({
    operation: 'UPDATE',
    resource: 'persistentvolumeclaims/status',
    namespace: 'ns',
    name: 'c',
    object: { metadata: { name: 'c', resourceVersion: '2' }, spec: {}, status: {}, ...changed },
    oldObject: { metadata: { name: 'c', resourceVersion: '1' }, spec: {}, status: {} },
  });
  const lease = (namespace: string, name: string): TestRequest => ({
    operation: 'CREATE',
    resource: 'leases.coordination.k8s.io',
    namespace,
    object: { metadata: { name } },
  });
  const csiNode = (name: string): TestRequest => ({
    operation: 'CREATE',
    resource: 'csinodes.storage.k8s.io',
    object: { metadata: { name } },
  });
  const slice = (nodeName: string): TestRequest => ({
    operation: 'CREATE',
    resource: 'resourceslices.resource.k8s.io',
    object: { spec: { nodeName } },
  });
  return check([
    [claim({ status: { capacity: { storage: '2Gi' }, conditions: [] } }), undefined],
    [
      claim({ spec: { volumeName: 'x' } }),
      'node "n1" is not allowed to update fields other than status.quantity and status.conditions',
    ],
    [lease('kube-node-lease', 'n1'), undefined],
    [lease('kube-node-lease', 'n2'), 'can only access node lease with the same name as the requesting node'],
    [lease('kube-system', 'n1'), 'can only access leases in the "kube-node-lease" system namespace'],
    [csiNode('n1'), undefined],
    [csiNode('n2'), 'can only access CSINode with the same name as the requesting node'],
    [slice('n1'), undefined],
    [slice('n2'), 'can only create ResourceSlice with the same NodeName as the requesting node'],
    [
      {
        operation: 'DELETE',
        resource: 'resourceslices.resource.k8s.io',
        name: 's',
        oldObject: { spec: { nodeName: 'n2' } },
      },
      'can only delete ResourceSlice with the same NodeName as the requesting node',
    ],
  ]);
});

test('a node asks for kubelet certificates in its own name only', async () => {
  const request = async (commonName: string, signerName: string): Promise<TestRequest> => {
    const { requestPem } = await createCertificateRequest({ commonName, organizations: ['system:nodes'] });
    return {
      operation: 'CREATE',
      resource: 'certificatesigningrequests.certificates.k8s.io',
      name: 'csr',
      object: { spec: { signerName, request: Buffer.from(requestPem).toString('base64') } },
    };
  };
  const serving = 'kubernetes.io/kubelet-serving';
  const broken = {
    ...(await request('system:node:n1', serving)),
    object: { spec: { signerName: serving, request: 'eA==' } },
  };
  await check([
    [await request('system:node:n1', serving), undefined],
    [await request('system:node:n2', serving), 'can only create a node CSR with CN=system:node:n1'],
    [
      await request('system:node:n2', 'kubernetes.io/kube-apiserver-client-kubelet'),
      'can only create a node CSR with CN=system:node:n1',
    ],
    [await request('anything', 'example.com/own'), undefined],
    [broken, 'unable to parse csr: PEM block type must be CERTIFICATE REQUEST'],
  ]);
});

test('others are not restricted, and a node without a name does nothing', () =>
  check([
    [{ ...mirrorPod({ metadata: { annotations: {} } }), user: { username: 'ann' } }, undefined],
    [{ ...mirrorPod(), user: { username: 'system:node:n1' } }, undefined],
    [
      { ...mirrorPod(), user: { ...n1, username: 'system:node:' } },
      'could not determine node from user "system:node:"',
    ],
  ]));
