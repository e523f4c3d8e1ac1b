import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startUp } from './fairlead-process.ts';
import { Kubectl } from './kubectl.ts';
import { newestKubectl } from './kubectl-binaries.ts';
import { processesWith } from './processes.ts';
import { podManifest, shellContainer, sleeper } from './with-cluster.ts';

interface PodFacts {
  metadata: { uid: string };
  status: { containerStatuses: { restartCount: number }[] };
}

const binary = newestKubectl();
const options = { skip: binary ? false : 'no kubectl for this platform', timeout: 180_000 };

test('a second start finds all data, the same CA and the same pods', options, async () => {
  if (!binary) return;
  const directory = mkdtempSync(join(tmpdir(), 'fairlead-restart-'));
  try {
    const before = await runOnce(directory, async (kubectl) => {
      await kubectl.apply(podManifest('kept', [shellContainer('c', `echo started; ${sleeper}`)]));
      await kubectl.run(['wait', '--for=condition=Ready', 'pod/kept', '--timeout=60s']);
      await kubectl.run(['create', 'configmap', 'kept', '--from-literal=a=b']);
      return kubectl.json<PodFacts>(['get', 'pod', 'kept']);
    });
    const authority = readFileSync(join(directory, 'data/pki/ca.crt'), 'utf8');
    assert.deepEqual(processesWith(directory), [], 'the pods processes end with the cluster');

    const after = await runOnce(directory, async (kubectl) => {
      assert.equal(await kubectl.text(['get', 'cm', 'kept', '-o', 'jsonpath={.data.a}']), 'b');
      await kubectl.run([
        'wait',
        'pod/kept',
        '--for=jsonpath={.status.containerStatuses[0].restartCount}=1',
        '--timeout=60s',
      ]);
      await kubectl.run(['wait', '--for=condition=Ready', 'pod/kept', '--timeout=60s']);
      return kubectl.json<PodFacts>(['get', 'pod', 'kept']);
    });
    assert.equal(after.metadata.uid, before.metadata.uid);
    assert.equal(
      after.status.containerStatuses[0]?.restartCount,
      (before.status.containerStatuses[0]?.restartCount ?? 0) + 1,
    );
    assert.equal(readFileSync(join(directory, 'data/pki/ca.crt'), 'utf8'), authority);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test('get --watch goes on across a restart of the server', options, async () => {
  if (!binary) return;
  const directory = mkdtempSync(join(tmpdir(), 'fairlead-restart-'));
  try {
    let first = await startUp({ directory });
    using kubectl = new Kubectl(binary, { kubeconfig: first.kubeconfig });
    await kubectl.run(['create', 'configmap', 'one']);
    const watch = kubectl.start(['get', 'configmaps', '--watch', '-o', 'name']);
    await watch.printed(/configmap\/one\n/);
    await first.interrupt();
    // kubectl itself ends its watch when the server ends it properly: cleanly, not with an error of a cut connection.
    assert.equal(await watch.ended, 0);
    first = await startUp({ directory });
    const again = kubectl.start(['get', 'configmaps', '--watch', '-o', 'name']);
    await again.printed(/configmap\/one\n/);
    await kubectl.run(['create', 'configmap', 'two']);
    await again.printed(/configmap\/two\n/);
    await again.interrupt();
    await first.interrupt();
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

async function runOnce<T>(directory: string, action: (kubectl: Kubectl) => Promise<T>): Promise<T> {
  const up = await startUp({ directory });
  try {
    if (!binary) throw new Error('no kubectl');
    using kubectl = new Kubectl(binary, { kubeconfig: up.kubeconfig });
    await kubectl.run(['wait', '--for=condition=Ready', 'node', '--all', '--timeout=60s']);
    return await action(kubectl);
  } finally {
    assert.equal(await up.interrupt(), 0);
  }
}
