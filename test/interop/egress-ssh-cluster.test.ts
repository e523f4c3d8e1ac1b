import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatKubeconfig } from '../../src/client/kubeconfig.ts';
import { startControlPlane } from '../../src/cluster/control-plane.ts';
import { startLocalNode } from '../../src/cluster/local-node.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { Kubectl } from '../e2e/kubectl.ts';
import { newestKubectl } from '../e2e/kubectl-binaries.ts';
import { makeSshKey, missingSshServer, sshUser, startSshServer } from './ssh-server.ts';

const binary = newestKubectl();
const missing = missingSshServer() ?? (binary ? undefined : 'no kubectl for this platform');

test('kubectl reaches a node by SSH, and only while its SSH server is there', {
  skip: missing ?? false,
  timeout: 120_000,
}, async () => {
  if (!binary) return;
  await using opened = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'fairlead-ssh-'));
  opened.defer(() => rm(directory, { recursive: true }));
  const path = (name: string) => join(directory, name);
  const hostKey = makeSshKey(path('host'));
  const authorizedKeys = makeSshKey(path('client'));
  const server = await startSshServer({ directory, name: 'sshd', hostKeyFile: path('host'), authorizedKeys });
  opened.use(server);
  const ssh = { user: sshUser, keyFile: path('client') };
  const controlPlane = opened.use(await startControlPlane({ host: '127.0.0.1', port: 0, ssh }, { log: silentLogger }));
  const ca = controlPlane.pki.cluster.certificatePem;
  const { certificatePem, privateKeyPem } = controlPlane.admin;
  const certificate = { certificate: certificatePem, key: privateKeyPem };
  await writeFile(path('kubeconfig'), formatKubeconfig({ name: 'test', server: controlPlane.server, ca, certificate }));
  const ending = new AbortController();
  opened.defer(() => ending.abort());
  const local = opened.use(
    await startLocalNode(
      controlPlane,
      {
        nodesDirectory: path('nodes'),
        name: 'node-1',
        route: 'ssh',
        runtime: 'process',
        listen: { host: '127.0.0.1', port: 0 },
        onShutdown: 'stop-pods',
      },
      { log: silentLogger, signal: ending.signal },
    ),
  );
  await local.node.ready;
  using kubectl = new Kubectl(binary, { kubeconfig: path('kubeconfig') });
  await kubectl.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p' },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'c', image: 'busybox', command: ['sh', '-c', 'echo started; sleep 1000'] }],
    },
  });
  await kubectl.run(['wait', '--for=condition=Ready', 'pod/p', '--timeout=60s'], { timeoutMs: 70_000 });
  // Nothing is published yet: nothing is trusted.
  const { stderr } = await kubectl.run(['logs', 'p'], { code: 1 });
  assert.match(stderr, /by SSH \(server 127\.0\.0\.1:22\): .*the key of its SSH server is not known/);

  await kubectl.run([
    'annotate',
    'node',
    'node-1',
    `fairlead.dev/ssh-port=${server.port}`,
    `fairlead.dev/ssh-host-keys=${hostKey}`,
  ]);
  assert.equal(await kubectl.text(['logs', 'p']), 'started');
  assert.equal(await kubectl.text(['exec', '-i', 'p', '--', 'cat'], { stdin: 'through\n' }), 'through');
  await kubectl.run(['exec', 'p', '--', 'sh', '-c', 'exit 7'], { code: 7 });
  assert.match(
    await kubectl.text(['get', '--raw', '/metrics']),
    /fairlead_egress_dials_total\{route="ssh",result="success"\} \d/,
  );

  await server[Symbol.asyncDispose]();
  const gone = await kubectl.run(['logs', 'p'], { code: 1 });
  assert.match(gone.stderr, /by SSH \(server .*\): /);
  await kubectl.run(['delete', 'pod', 'p', '--timeout=60s'], { timeoutMs: 70_000 });
});
