import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Node } from '../src/api/kubernetes/core-v1.ts';
import type { ClusterRole } from '../src/api/kubernetes/rbac-v1.ts';
import { nodeRouteLabel } from '../src/api/node-route.ts';
import { nodes } from '../src/client/resources.ts';
import { startControlPlane } from '../src/cluster/control-plane.ts';
import { startLocalNode } from '../src/cluster/local-node.ts';
import { pathsPath } from '../src/cluster/paths-handler.ts';
import { exitCodeOf, type PathReport, type PathResult } from '../src/doctor/path-report.ts';
import { silentLogger } from '../src/lib/log.ts';
import { createCluster, type TestCluster } from '../src/testing/create-cluster.ts';

async function walk(cluster: Pick<TestCluster, 'client'>): Promise<PathReport> {
  const { status, body } = await cluster.client.request({ method: 'GET', path: pathsPath });
  const text = Buffer.from(body).toString();
  assert.equal(status, 200, text);
  return JSON.parse(text);
}

const faulty = ({ items }: PathReport): PathResult[] =>
  items.filter(({ verdict }) => verdict !== 'proved' && verdict !== 'unused');
const lenient = { strict: false };
const merge = { type: 'application/merge-patch+json' } as const;

test('a healthy cluster is proved: every hop names its route, its certificate and its identity', async () => {
  await using cluster = await createCluster();
  await cluster.addNode({ name: 'far', runtime: 'simulated', route: 'tunnel' });
  await cluster.addNode({ name: 'near', runtime: 'simulated' });
  const report = await walk(cluster);
  assert.deepEqual(faulty(report), []);
  assert.equal(exitCodeOf(report, { strict: true }), 0);
  const hopOf = (node: string) =>
    report.items.find((item) => item.path === 'apiserver-kubelet-exec' && item.node === node)?.hops[0];
  assert.deepEqual([hopOf('far')?.route, hopOf('far')?.via, hopOf('near')?.route], ['tunnel', 'far', 'direct']);
  const { version, name, peer, authority } = hopOf('near')?.tls ?? {};
  assert.deepEqual([version, name, peer, authority], ['TLSv1.3', 'near', 'system:node:near', 'kubelet-serving-ca']);
  const refusals = report.items.filter(({ path }) => path.startsWith('refused-'));
  assert.ok(refusals.length >= 4);
  for (const { hops } of refusals) assert.equal(hops[0]?.authorization, 'refused with 401');
});

test('a kubelet that has stopped is named, with its address, and nothing else is', async () => {
  await using cluster = await createCluster();
  const node = await cluster.addNode({ name: 'n1', runtime: 'simulated' });
  await cluster.addNode({ name: 'n2', runtime: 'simulated' });
  await node[Symbol.asyncDispose]();
  const report = await walk(cluster);
  assert.equal(exitCodeOf(report, lenient), 3);
  assert.ok(faulty(report).length > 0);
  for (const { node: named, path, cause } of faulty(report)) {
    assert.equal(named, 'n1');
    assert.match(path, /^apiserver-kubelet-/);
    assert.match(cause ?? '', new RegExp(`node "n1".*127\\.0\\.0\\.1:${node.port}.*ECONNREFUSED`));
  }
});

test('a tunnel without its agent is named, and the way through it, and not the kubelet', async () => {
  await using cluster = await createCluster();
  await cluster.addNode({ name: 'n1', runtime: 'simulated' });
  const patch = { metadata: { labels: { [nodeRouteLabel]: 'tunnel' } } };
  await cluster.client.patch<Node>(nodes, { name: 'n1' }, patch, merge);
  const report = await walk(cluster);
  assert.equal(exitCodeOf(report, lenient), 3);
  const agent = report.items.find(({ path }) => path === 'agent-tunnel-server');
  assert.equal(agent?.cause, 'no agent of this node is connected');
  const logs = report.items.find(({ path }) => path === 'apiserver-kubelet-logs');
  assert.match(logs?.cause ?? '', /tunnel.*[Nn]o agent/);
  assert.equal(report.items.find(({ path }) => path === 'kubelet-apiserver')?.verdict, 'proved');
});

test('a label that names no route is named, and the other paths are walked all the same', async () => {
  await using cluster = await createCluster();
  await cluster.addNode({ name: 'n1', runtime: 'simulated' });
  const patch = { metadata: { labels: { [nodeRouteLabel]: 'pigeon' } } };
  await cluster.client.patch<Node>(nodes, { name: 'n1' }, patch, merge);
  const report = await walk(cluster);
  assert.ok(faulty(report).length > 0);
  for (const { path, cause } of faulty(report)) {
    assert.match(path, /^apiserver-kubelet-/);
    assert.match(cause ?? '', /fairlead\.dev\/route=pigeon names no route/);
  }
});

test('a right that the API server lacks at the kubelet is named', async () => {
  await using cluster = await createCluster();
  const roles = { group: 'rbac.authorization.k8s.io', version: 'v1', resource: 'clusterroles' };
  const found = await cluster.client.list<ClusterRole>(roles);
  const role = found.items.find(({ metadata }) => metadata?.name === 'system:kubelet-api-admin');
  assert.ok(role);
  await cluster.client.patch(roles, { name: 'system:kubelet-api-admin' }, { rules: [] }, merge);
  await cluster.addNode({ name: 'n1', runtime: 'simulated' });
  const report = await walk(cluster);
  assert.equal(exitCodeOf(report, lenient), 3);
  const exec = report.items.find(({ path }) => path === 'apiserver-kubelet-exec');
  assert.match(exec?.cause ?? '', /refused the API server's certificate with 403/);
  assert.equal(exec?.hops[0]?.authorization, 'refused with 403');
});

test('a kubelet that nobody verifies is no broken path, but no proved one', async () => {
  await using parts = new AsyncDisposableStack();
  const directory = mkdtempSync(join(tmpdir(), 'fairlead-doctor-'));
  parts.defer(() => rmSync(directory, { recursive: true }));
  const config = { host: '127.0.0.1', port: 0, kubeletAuthority: { pem: undefined } };
  const controlPlane = parts.use(await startControlPlane(config, { log: silentLogger }));
  const node = parts.use(
    await startLocalNode(
      controlPlane,
      { nodesDirectory: directory, name: 'n1', runtime: 'simulated', route: 'direct', listen: { port: 0 } },
      { log: silentLogger, signal: AbortSignal.timeout(20_000) },
    ),
  );
  await node.node.ready;
  const report = await walk(controlPlane);
  const verdicts = new Set(faulty(report).map(({ verdict }) => verdict));
  assert.deepEqual([...verdicts], ['unverified']);
  assert.equal(exitCodeOf(report, lenient), 4);
});

test('who may not ask is told so', async () => {
  await using cluster = await createCluster();
  const path = pathsPath;
  const headers = { 'impersonate-user': 'somebody' };
  const { status, body } = await cluster.client.request({ method: 'GET', path, headers });
  assert.equal(status, 403, Buffer.from(body).toString());
});
