import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import type { Deployment, ReplicaSet } from '../api/kubernetes/apps-v1.ts';
import type { CertificateSigningRequest } from '../api/kubernetes/certificates-v1.ts';
import type { ConfigMap, Node, Pod } from '../api/kubernetes/core-v1.ts';
import type { KubeObject } from '../api/object.ts';
import type { ApiClient, ResourceRef } from '../client/client.ts';
import { Informer } from '../client/informer.ts';
import {
  certificateSigningRequests,
  configMaps,
  deployments,
  nodes,
  pods,
  replicaSets,
  serviceAccounts,
} from '../client/resources.ts';
import { startControlPlane } from '../cluster/control-plane.ts';
import { silentLogger } from '../lib/log.ts';
import { createCertificateRequest } from '../pki/certificate-request.ts';

const strategic = { type: 'application/strategic-merge-patch+json' } as const;

/** Resolves when the objects of the resource are as wanted. */
async function until<T extends KubeObject>(
  client: ApiClient,
  resource: ResourceRef,
  holds: (objects: T[]) => boolean,
): Promise<T[]> {
  await using informer = new Informer<T>({ client, resource, namespace: 'default' });
  await informer.synced;
  return await new Promise((resolve) => {
    const check = () => {
      const objects = [...informer.values()];
      if (holds(objects)) resolve(objects);
    };
    informer.subscribe(check);
    check();
  });
}

/** A node that makes each pod run at once: what a kubelet would report. */
async function runFakeNode(client: ApiClient): Promise<AsyncDisposable> {
  const now = new Date().toISOString();
  const created = await client.create<Node>(nodes, { metadata: { name: 'n1' } });
  const conditions = [{ type: 'Ready', status: 'True', lastHeartbeatTime: now, lastTransitionTime: now }];
  const allocatable = { cpu: '4', memory: '8Gi', pods: '110' };
  await client.update<Node>(nodes, { ...created, status: { allocatable, conditions } }, { subresource: 'status' });
  const informer = new Informer<Pod>({ client, resource: pods });
  informer.subscribe(({ type, object: { metadata, spec, status } }) => {
    if (type === 'deleted' || !spec?.nodeName) return;
    const ref = { namespace: metadata?.namespace ?? '', name: metadata?.name ?? '' };
    const done = metadata?.deletionTimestamp
      ? client.delete(pods, ref, { gracePeriodSeconds: 0 })
      : status?.phase === 'Running'
        ? Promise.resolve()
        : client.patch(
            pods,
            { ...ref, subresource: 'status' },
            { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: now }] } },
            strategic,
          );
    Promise.resolve(done).catch(() => {}); // Another event follows, or the test ends.
  });
  return informer;
}

const available = (name: string, image: string) => (all: Deployment[]) =>
  all.some(
    ({ metadata, spec, status }) =>
      metadata?.name === name &&
      spec?.template.spec?.containers[0]?.image === image &&
      status?.observedGeneration === metadata.generation &&
      status?.updatedReplicas === 2 &&
      status.replicas === 2 &&
      status.availableReplicas === 2,
  );

test('a deployment rolls out, keeps its history, and takes its pods with it', async () => {
  await using controlPlane = await startControlPlane({ host: '127.0.0.1', port: 0 }, { log: silentLogger });
  const { client } = controlPlane;
  await until(client, serviceAccounts, (all) => all.length > 0);
  await until(client, configMaps, (all) => all.some(({ metadata }) => metadata?.name === 'kube-root-ca.crt'));
  await using _node = await runFakeNode(client);
  const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'one' }] } };
  const spec = { replicas: 2, selector: { matchLabels: { app: 'web' } }, template };
  await client.create<Deployment>(deployments, { metadata: { name: 'web', namespace: 'default' }, spec });
  await until<Deployment>(client, deployments, available('web', 'one'));
  const ref = { namespace: 'default', name: 'web' };
  await client.patch(
    deployments,
    ref,
    { spec: { template: { spec: { containers: [{ name: 'c', image: 'two' }] } } } },
    strategic,
  );
  await until<Deployment>(client, deployments, available('web', 'two'));
  const sets = (await client.list<ReplicaSet>(replicaSets)).items;
  const revisions = sets.map(({ metadata }) => metadata?.annotations?.['deployment.kubernetes.io/revision']).sort();
  assert.deepEqual(revisions, ['1', '2']);
  await client.delete(deployments, ref, { propagationPolicy: 'Foreground' });
  await until(client, deployments, (all) => all.length === 0);
  assert.deepEqual((await client.list(replicaSets)).items, []);
  assert.deepEqual((await client.list(pods)).items, []);
});

test('dependents go in the background, stay when orphaned, and one whose owner never was goes too', async () => {
  await using controlPlane = await startControlPlane({ host: '127.0.0.1', port: 0 }, { log: silentLogger });
  const { client } = controlPlane;
  const create = (name: string, owner?: ConfigMap) => {
    const reference = owner && {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      name: owner.metadata?.name ?? '',
      uid: owner.metadata?.uid ?? '',
    };
    const metadata = { name, namespace: 'default', ...(reference && { ownerReferences: [reference] }) };
    return client.create<ConfigMap>(configMaps, { metadata });
  };
  const owner = await create('owner');
  await create('dependent', owner);
  const orphaning = await create('orphaning');
  await create('orphan', orphaning);
  await create('stray', { metadata: { name: 'never', uid: '00000000-0000-0000-0000-000000000000' } });
  await client.delete(configMaps, { namespace: 'default', name: 'owner' }, { propagationPolicy: 'Background' });
  await client.delete(configMaps, { namespace: 'default', name: 'orphaning' }, { propagationPolicy: 'Orphan' });
  const left = await until<ConfigMap>(client, configMaps, (all) => {
    const names = all.map(({ metadata }) => metadata?.name);
    return !['dependent', 'stray', 'orphaning', 'owner'].some((name) => names.includes(name));
  });
  const orphan = left.find(({ metadata }) => metadata?.name === 'orphan');
  assert.ok(orphan);
  assert.equal(orphan.metadata?.ownerReferences, undefined);
});

test('a client certificate is issued to who may have one; a serving certificate asked for by another waits for a person', async (t) => {
  await using controlPlane = await startControlPlane({ host: '127.0.0.1', port: 0 }, { log: silentLogger });
  const { client } = controlPlane;
  await client.create<Node>(nodes, { metadata: { name: 'n1' } });
  const ask = async (name: string, signerName: string, usages: string[], dnsNames: string[]) => {
    const subject = { commonName: 'system:node:n1', organizations: ['system:nodes'], dnsNames };
    const { requestPem } = await createCertificateRequest(subject);
    const spec = { request: Buffer.from(requestPem).toString('base64'), signerName, usages };
    return client.create<CertificateSigningRequest>(certificateSigningRequests, { metadata: { name }, spec });
  };
  const attack = await ask('attack', 'kubernetes.io/kubelet-serving', ['digital signature', 'server auth'], ['n1']);
  if (!attack.spec.username) return t.skip('the API server does not fill in who asked');
  await ask('join', 'kubernetes.io/kube-apiserver-client-kubelet', ['digital signature', 'client auth'], []);
  const settled = (all: CertificateSigningRequest[]) =>
    all.some(({ metadata, status }) => metadata?.name === 'join' && status?.certificate);
  await using informer = new Informer<CertificateSigningRequest>({ client, resource: certificateSigningRequests });
  await new Promise<void>((resolve) => {
    informer.subscribe(() => {
      if (settled([...informer.values()])) resolve();
    });
  });
  assert.equal(informer.get('attack')?.status?.conditions, undefined);
  assert.equal(informer.get('attack')?.status?.certificate, undefined);
  const pem = Buffer.from(informer.get('join')?.status?.certificate ?? '', 'base64');
  assert.match(new X509Certificate(pem).subject, /CN=system:node:n1/);
});
