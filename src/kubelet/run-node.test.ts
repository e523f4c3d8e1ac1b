import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Node, Pod } from '../api/kubernetes/core-v1.ts';
import { nodes, pods } from '../client/resources.ts';
import { silentLogger } from '../lib/log.ts';
import { openBed } from './node-bed-suite.ts';
import { runNode } from './run-node.ts';
import { processesNaming } from './runtimes/process/process-bed-suite.ts';

test('a node joins with a token, gets both certificates, registers itself and is Ready', async () => {
  await using bed = await openBed();
  await using node = await bed.run({ runtime: 'simulated' });
  await node.ready;
  const found = await bed.client.get<Node>(nodes, { name: 'node-1' });
  const ready = found.status?.conditions?.find(({ type }) => type === 'Ready');
  assert.equal(ready?.status, 'True');
  assert.equal(found.status?.daemonEndpoints?.kubeletEndpoint?.Port, node.port);
  assert.match(found.status?.nodeInfo?.containerRuntimeVersion ?? '', /^fairlead-simulated:\/\//);
  const files = await readdir(join(bed.directory, 'pki'));
  assert.deepEqual(files.filter((name) => name.endsWith('current.pem')).sort(), [
    'kubelet-client-current.pem',
    'kubelet-server-current.pem',
  ]);
  for (const name of files) assert.equal((await stat(join(bed.directory, 'pki', name))).mode & 0o077, 0, name);
  assert.equal((await stat(join(bed.directory, 'kubelet.conf'))).mode & 0o777, 0o600);
  assert.equal((await readFile(join(bed.directory, 'kubelet.conf'), 'utf8')).includes('0123456789abcdef'), false);
});

test('a node without credentials and without a way to get them says what to do', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'fairlead-node-'));
  const options = { log: silentLogger, signal: new AbortController().signal };
  await assert.rejects(runNode({ name: 'n', dataDirectory: directory }, options), {
    name: 'ConfigError',
    message: /join string or a bootstrap token/,
  });
  await assert.rejects(runNode({ name: 'N_1', dataDirectory: directory }, options), {
    name: 'ConfigError',
    message: /is no DNS name/,
  });
  const bootstrap = 'nonsense';
  await assert.rejects(runNode({ name: 'n', dataDirectory: directory, bootstrap }, options), {
    name: 'ConfigError',
    message: /This is no join string/,
  });
  await rm(directory, { recursive: true });
});

test('a token that is wrong is refused by the API server and joins nothing', async () => {
  await using bed = await openBed();
  const wrong = bed.run({ runtime: 'simulated', bootstrap: { ...bed.bootstrap, token: 'abcdef.ffffffffffffffff' } });
  await assert.rejects(wrong, { name: 'ApiError', code: 401 });
});

test('an agent that comes back goes on with its running pods; one that stopped them starts them again', async () => {
  await using bed = await openBed();
  const process = { isolation: { mode: 'plain', reason: 'test', terminals: false } } as const;
  const first = await bed.run({ ...process, onShutdown: 'leave-pods' });
  await first.ready;
  await bed.client.create<Pod>(pods, bed.pod(), { namespace: 'default' });
  const before = await bed.untilRunning(0);
  await first[Symbol.asyncDispose]();
  const second = await bed.run({ ...process, onShutdown: 'stop-pods' });
  await second.ready;
  const adopted = await bed.untilRunning(0);
  assert.equal(adopted.containerId, before.containerId);
  await second[Symbol.asyncDispose]();
  await using third = await bed.run({ ...process, onShutdown: 'stop-pods' });
  await third.ready;
  const restarted = await bed.untilRunning(1);
  assert.equal(restarted.uid, before.uid);
});

test('a node that joined finds an API server that has moved, and keeps its new address', async () => {
  await using bed = await openBed();
  const first = await bed.run({ runtime: 'simulated' });
  await first.ready;
  await first[Symbol.asyncDispose]();
  const path = join(bed.directory, 'kubelet.conf');
  const kept = await readFile(path, 'utf8');
  await writeFile(path, kept.replace(bed.server, 'https://127.0.0.1:1'), { mode: 0o600 });
  await using second = await bed.run({ runtime: 'simulated', server: bed.server });
  await second.ready;
  assert.equal(await readFile(path, 'utf8'), kept);
  await assert.rejects(bed.run({ runtime: 'simulated', server: 'http://plain' }), {
    name: 'ConfigError',
    message: /expected an https:\/\/ address/,
  });
});

test('a node that goes down says so on its Node object and ends its pods within the grace', async () => {
  await using bed = await openBed();
  const plain = { isolation: { mode: 'plain', reason: 'test', terminals: false } } as const;
  const node = await bed.run({ ...plain, onShutdown: 'stop-pods', shutdownGraceMs: 100 });
  await node.ready;
  const pod = bed.pod();
  const stubborn = ['sh', '-c', 'trap "" TERM; while :; do sleep 0.05; done'];
  pod.spec = { ...pod.spec, containers: [{ name: 'main', image: 'any', command: stubborn }] };
  await bed.client.create<Pod>(pods, pod, { namespace: 'default' });
  await bed.untilRunning(0);
  await node[Symbol.asyncDispose]();
  const found = await bed.client.get<Node>(nodes, { name: 'node-1' });
  const ready = found.status?.conditions?.find(({ type }) => type === 'Ready');
  assert.deepEqual([ready?.status, ready?.message], ['False', 'node is shutting down']);
  assert.deepEqual(await processesNaming(bed.directory), []);
});

test('a node whose tunnel is lost is not Ready until it is back', async () => {
  await using bed = await openBed();
  let lost: string | undefined;
  let tell = () => {};
  await using node = await bed.run({
    runtime: 'simulated',
    openTunnel: ({ nodeName, certificate, onChange }) => {
      assert.equal(nodeName, 'node-1');
      assert.match(certificate()?.certificate ?? '', /BEGIN CERTIFICATE/);
      tell = onChange;
      queueMicrotask(onChange); // connected
      return { notReady: () => lost, [Symbol.asyncDispose]: async () => {} };
    },
  });
  await node.ready;
  const until = async (status: string) => {
    for await (const event of bed.client.watch<Node>(nodes, { fieldSelector: 'metadata.name=node-1' })) {
      if (event.type === 'ERROR') throw new Error('the watch failed');
      const ready = event.object.status?.conditions?.find(({ type }) => type === 'Ready');
      if (ready?.status === status) return ready.message;
    }
    throw new Error('the watch ended');
  };
  lost = 'the tunnel to the control plane is not connected';
  tell();
  assert.equal(await until('False'), lost);
  lost = undefined;
  tell();
  assert.equal(await until('True'), 'kubelet is posting ready status');
});
