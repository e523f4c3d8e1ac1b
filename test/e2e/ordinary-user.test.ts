import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chownSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startUp } from './fairlead-process.ts';
import { Kubectl } from './kubectl.ts';
import { newestKubectl } from './kubectl-binaries.ts';
import { effectiveUserOf, processesWith } from './processes.ts';
import { podManifest, shellContainer, sleeper } from './with-cluster.ts';

interface PodFacts {
  readonly metadata: { readonly uid: string };
  readonly status: { readonly containerStatuses: readonly { readonly restartCount: number }[] };
}

const nobody = 65534;
const binary = newestKubectl();
const skip = binary === undefined ? 'no kubectl for this platform' : process.platform !== 'linux' && 'needs /proc';

test('an ordinary user has a cluster, finds it again, and leaves no process behind', { skip }, async (t) => {
  if (!binary) return;
  const directory = mkdtempSync(join(tmpdir(), 'fairlead-user-'));
  const user = process.getuid?.() === 0 ? { uid: nobody, gid: nobody, home: directory } : undefined;
  if (user) chownSync(directory, user.uid, user.gid);
  const ownRoot = spawnSync('unshare', ['--user', '--map-root-user', '--mount', '--pid', '--fork', 'true'], user);
  if (ownRoot.status !== 0) t.diagnostic('no user namespaces here: pods see the root of the host');
  const runs: { pod: PodFacts; authority: string }[] = [];
  try {
    for (const restarts of [0, 1]) {
      await using up = await startUp({ directory, ...(user && { user }) });
      assert.equal(effectiveUserOf(up.child.pid ?? 0), user?.uid ?? process.getuid?.());
      using kubectl = new Kubectl(binary, { kubeconfig: up.kubeconfig });
      if (restarts === 0) await createPods(kubectl, directory);
      const counted = `--for=jsonpath={.status.containerStatuses[0].restartCount}=${restarts}`;
      await kubectl.run(['wait', 'pod/kept', counted, '--timeout=60s']);
      await kubectl.run(['wait', '--for=condition=Ready', 'pod/kept', 'pod/served', '--timeout=60s']);
      await useStreams(kubectl);
      if (ownRoot.status === 0) {
        assert.equal(await kubectl.text(['exec', 'kept', '--', 'cat', '/mounted/mark']), 'own');
        assert.doesNotMatch(await kubectl.text(['exec', 'kept', '--', 'ls', '/tmp']), /fairlead-/);
      }
      const pod = await kubectl.json<PodFacts>(['get', 'pod', 'kept']);
      runs.push({ pod, authority: readFileSync(join(directory, 'data/pki/ca.crt'), 'utf8') });
      assert.notDeepEqual(processesWith(directory), []);
      assert.equal(await up.interrupt(), 0);
      assert.deepEqual(processesWith(directory), []);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  const [first, second] = runs;
  assert.equal(second?.authority, first?.authority);
  assert.equal(second?.pod.metadata.uid, first?.pod.metadata.uid);
  assert.equal(second?.pod.status.containerStatuses[0]?.restartCount, 1);
});

/** `mark` stands in the environment of all that runs in the pod, so that its processes can be found. */
async function createPods(kubectl: Kubectl, mark: string): Promise<void> {
  const script = `echo own > "\${FAIRLEAD_ROOT:-}/mounted/mark"; echo started; ${sleeper}`;
  const kept = shellContainer('c', script, {
    env: [{ name: 'MARK', value: mark }],
    volumeMounts: [{ name: 'v', mountPath: '/mounted' }],
  });
  await kubectl.apply(
    podManifest('kept', [kept], { volumes: [{ name: 'v', emptyDir: {} }] }),
    podManifest('served', [{ name: 'c', image: 'fairlead/demo', ports: [{ containerPort: 8080 }] }]),
  );
}

async function useStreams(kubectl: Kubectl): Promise<void> {
  assert.equal(await kubectl.text(['logs', 'kept']), 'started');
  assert.equal(await kubectl.text(['exec', '-i', 'kept', '--', 'cat'], { stdin: 'through' }), 'through');
  using terminal = kubectl.startTerminal(['exec', '-it', 'kept', '--', 'sh', '-c', 'test -t 0 && exit 6']);
  assert.equal(await terminal.ended, 6);
  using forward = kubectl.start(['port-forward', 'pod/served', ':8080']);
  const printed = await forward.printed(/Forwarding from 127\.0\.0\.1:\d+ -> 8080\n/);
  const answer = await fetch(`http://127.0.0.1:${/127\.0\.0\.1:(\d+)/.exec(printed)?.[1]}/`);
  assert.equal(answer.status, 200);
  await answer.text();
  await forward.interrupt();
}
