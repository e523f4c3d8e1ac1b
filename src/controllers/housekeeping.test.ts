import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CertificateSigningRequest } from '../api/kubernetes/certificates-v1.ts';
import type { ConfigMap, Node, Pod, Secret } from '../api/kubernetes/core-v1.ts';
import type { ClusterRole } from '../api/kubernetes/rbac-v1.ts';
import type { KubeObject } from '../api/object.ts';
import { createBootstrapTokenSecret } from '../auth/bootstrap-tokens.ts';
import { clusterInfoSignatureKey, verifyClusterInfo } from '../auth/cluster-info.ts';
import type { ResourceRef } from '../client/client.ts';
import { connectApi } from '../client/connect.ts';
import { deferredClient } from '../client/deferred-client.ts';
import { certificateSigningRequests, configMaps, nodes, pods, secrets } from '../client/resources.ts';
import { type ControlPlane, startControlPlane } from '../cluster/control-plane.ts';
import { silentLogger } from '../lib/log.ts';
import { createCertificateRequest } from '../pki/certificate-request.ts';
import type { ControllerName } from './controller-identities.ts';
import { type RunningControllers, runControllers } from './run-controllers.ts';

const clusterRoles = { group: 'rbac.authorization.k8s.io', version: 'v1', resource: 'clusterroles' };
const merge = { type: 'application/merge-patch+json' } as const;
const hourMs = 3_600_000;

const startPlane = () => startControlPlane({ host: '127.0.0.1', port: 0, controllers: false }, { log: silentLogger });

/** One controller with its own identity and rights, by a clock of the test's. */
async function runController(
  plane: ControlPlane,
  name: ControllerName,
  nowMs = () => Date.now(),
): Promise<RunningControllers> {
  const { pki, server } = plane;
  const running = runControllers({
    connect: ({ commonName, organizations }) =>
      deferredClient(server, async () => {
        const issued = await pki.cluster.issue({ commonName, organizations, usages: ['client'] });
        const certificate = { certificate: issued.certificatePem, key: issued.privateKeyPem };
        return connectApi({ server, ca: pki.cluster.certificatePem, certificate });
      }),
    clusterAuthority: pki.cluster,
    kubeletServingAuthority: pki.kubeletServing,
    controllers: [name],
    clock: { now: nowMs, delay: () => assert.fail('no controller here waits by its clock') },
  });
  await running.ready;
  return running;
}

/** Watches one object until it is as wanted; `undefined` stands for gone. With a resource version nothing after it is missed. */
async function untilObject<T extends KubeObject>(
  { client }: ControlPlane,
  resource: ResourceRef,
  ref: { namespace?: string; name?: string; resourceVersion?: string },
  holds: (object: T | undefined) => boolean,
): Promise<T | undefined> {
  const { namespace, name, resourceVersion } = ref;
  const options = {
    fieldSelector: `metadata.name=${name}`,
    ...(namespace !== undefined && { namespace }),
    ...(resourceVersion !== undefined && { resourceVersion }),
  };
  for await (const { type, object } of client.watch<T>(resource, options)) {
    if (type === 'BOOKMARK' || type === 'ERROR') continue;
    const now = type === 'DELETED' ? undefined : (object as T);
    if (holds(now)) return now;
  }
  throw new Error('The watch has ended');
}

test('a bootstrap token goes when it has expired, and one without an end stays', async () => {
  await using plane = await startPlane();
  const expiring = createBootstrapTokenSecret({ expiresAtMs: Date.now() + hourMs }).secret;
  const lasting = createBootstrapTokenSecret().secret;
  await plane.client.create<Secret>(secrets, lasting);
  const { metadata = {} } = await plane.client.create<Secret>(secrets, expiring);
  const gone = untilObject<Secret>(plane, secrets, metadata, (secret) => secret === undefined);
  await using _cleaner = await runController(plane, 'token-cleaner-controller', () => Date.now() + 2 * hourMs);
  await gone;
  await plane.client.get(secrets, { namespace: 'kube-system', name: lasting.metadata?.name ?? '' });
});

test('cluster-info is signed by each bootstrap token', async () => {
  await using plane = await startPlane();
  await using _signer = await runController(plane, 'bootstrap-signer-controller');
  const { token, secret } = createBootstrapTokenSecret({ expiresAtMs: Date.now() + hourMs });
  await plane.client.create<Secret>(secrets, secret);
  const key = clusterInfoSignatureKey(token.id);
  const ref = { namespace: 'kube-public', name: 'cluster-info' };
  const map = await untilObject<ConfigMap>(plane, configMaps, ref, (found) => found?.data?.[key] !== undefined);
  assert.ok(verifyClusterInfo(map?.data?.['kubeconfig'] ?? '', map?.data?.[key] ?? '', token));
});

test('a certificate request that nobody answers goes after a day', async () => {
  await using plane = await startPlane();
  const { requestPem } = await createCertificateRequest({ commonName: 'someone' });
  const { metadata = {} } = await plane.client.create<CertificateSigningRequest>(certificateSigningRequests, {
    metadata: { name: 'forgotten' },
    spec: {
      request: Buffer.from(requestPem).toString('base64'),
      signerName: 'kubernetes.io/kube-apiserver-client',
      usages: ['client auth'],
    },
  });
  const gone = untilObject(plane, certificateSigningRequests, metadata, (csr) => csr === undefined);
  const late = () => Date.now() + 25 * hourMs;
  await using _cleaner = await runController(plane, 'certificatesigningrequest-cleaner-controller', late);
  await gone;
});

test('a node that falls silent becomes Unknown and is tainted', async () => {
  await using plane = await startPlane();
  let aheadMs = 0;
  await using _lifecycle = await runController(plane, 'node-lifecycle-controller', () => Date.now() + aheadMs);
  const now = new Date().toISOString();
  const created = await plane.client.create<Node>(nodes, { metadata: { name: 'n1' } });
  const conditions = [{ type: 'Ready', status: 'False', lastHeartbeatTime: now, lastTransitionTime: now }];
  await plane.client.update<Node>(nodes, { ...created, status: { conditions } }, { subresource: 'status' });
  const has = (node: Node | undefined, key: string) =>
    node?.spec?.taints?.some((taint) => taint.key === `node.kubernetes.io/${key}` && taint.effect === 'NoExecute') ??
    false;
  await untilObject<Node>(plane, nodes, { name: 'n1' }, (node) => has(node, 'not-ready'));

  aheadMs = 10 * 60_000;
  await plane.client.patch(nodes, { name: 'n1' }, { metadata: { labels: { looked: 'at' } } }, merge);
  const silent = await untilObject<Node>(plane, nodes, { name: 'n1' }, (node) => has(node, 'unreachable'));
  assert.equal(has(silent, 'not-ready'), false);
  assert.equal(silent?.status?.conditions?.find(({ type }) => type === 'Ready')?.status, 'Unknown');
});

test('a pod of a node that is gone goes too', async () => {
  await using plane = await startPlane();
  await plane.client.create(
    { group: '', version: 'v1', resource: 'serviceaccounts' },
    { metadata: { name: 'default', namespace: 'default' } },
  );
  const { metadata = {} } = await plane.client.create<Pod>(pods, {
    metadata: { name: 'orphan', namespace: 'default' },
    spec: { nodeName: 'gone', containers: [{ name: 'c', image: 'i' }] },
  });
  const gone = untilObject<Pod>(plane, pods, metadata, (pod) => pod === undefined);
  // Each look at this clock is a minute later than the last.
  let nowMs = Date.now();
  await using _collector = await runController(plane, 'pod-garbage-collector-controller', () => {
    nowMs += 60_000;
    return nowMs;
  });
  await gone;
});

test('the rules of labelled roles are gathered in the role that selects them', async () => {
  await using plane = await startPlane();
  await using _aggregation = await runController(plane, 'clusterrole-aggregation-controller');
  const rules = [{ apiGroups: ['example.com'], resources: ['things'], verbs: ['get'] }];
  const labels = { 'rbac.authorization.k8s.io/aggregate-to-view': 'true' };
  await plane.client.create<ClusterRole>(clusterRoles, { metadata: { name: 'things', labels }, rules });
  await untilObject<ClusterRole>(
    plane,
    clusterRoles,
    { name: 'view' },
    (role) => role?.rules?.some((rule) => rule.apiGroups?.includes('example.com')) ?? false,
  );
});
