import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { CertificateSigningRequest } from '../api/kubernetes/certificates-v1.ts';
import type { Node, Pod, Secret } from '../api/kubernetes/core-v1.ts';
import { certificateSigningRequests, nodes, pods, secrets, serviceAccounts } from '../client/resources.ts';
import { startControlPlane } from '../cluster/control-plane.ts';
import { silentLogger } from '../lib/log.ts';
import type { NodeConfig } from './node-config.ts';
import { runNode } from './run-node.ts';

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

/** A control plane in memory without controllers, and someone who signs every certificate that a node may have. */
async function openBed() {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'fairlead-node-'));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const controlPlane = stack.use(
    await startControlPlane({ host: '127.0.0.1', port: 0, controllers: false }, { log: silentLogger }),
  );
  const { client, pki, server } = controlPlane;
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const token: Secret = {
    metadata: { name: 'bootstrap-token-abcdef', namespace: 'kube-system' },
    type: 'bootstrap.kubernetes.io/token',
    data: {
      'token-id': base64('abcdef'),
      'token-secret': base64('0123456789abcdef'),
      'usage-bootstrap-authentication': base64('true'),
      'auth-extra-groups': base64('system:bootstrappers:kubeadm:default-node-token'),
    },
  };
  await client.create(secrets, token, { namespace: 'kube-system' });
  await client.create(
    serviceAccounts,
    { metadata: { name: 'default', namespace: 'default' } },
    { namespace: 'default' },
  );
  const signing = new AbortController();
  const signer = signAll(controlPlane, signing.signal);
  stack.defer(async () => {
    signing.abort();
    await signer;
  });
  const bootstrap = { server, token: 'abcdef.0123456789abcdef', ca: pki.cluster.certificatePem };
  const owned = stack.move();
  return {
    client,
    directory,
    bootstrap,
    run: (config: Partial<NodeConfig>) =>
      runNode(
        { name: 'node-1', dataDirectory: directory, bootstrap, listen: { port: 0 }, ...config },
        { log: silentLogger, signal: AbortSignal.timeout(20_000) },
      ),
    pod: (): Pod => ({
      metadata: { name: 'web', namespace: 'default' },
      spec: {
        nodeName: 'node-1',
        automountServiceAccountToken: false,
        containers: [{ name: 'main', image: 'any', command: ['sleep', '1000'] }],
      },
    }),
    async untilRunning(restarts: number): Promise<{ uid: string; containerId: string }> {
      const events = client.watch<Pod>(pods, { namespace: 'default', signal: AbortSignal.timeout(20_000) });
      for await (const { type, object } of events) {
        if (type !== 'ADDED' && type !== 'MODIFIED') continue;
        const { metadata, status } = object;
        const [container] = status?.containerStatuses ?? [];
        if (!container?.state?.running || container.restartCount !== restarts) continue;
        return { uid: metadata?.uid ?? '', containerId: container.containerID ?? '' };
      }
      throw new Error('the watch ended');
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function signAll(
  { client, pki }: Awaited<ReturnType<typeof startControlPlane>>,
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const { type: change, object } of client.watch<CertificateSigningRequest>(certificateSigningRequests, {
      signal,
    })) {
      if (change !== 'ADDED') continue;
      const { metadata, spec } = object;
      const name = metadata?.name ?? '';
      const serving = spec.signerName === 'kubernetes.io/kubelet-serving';
      const authority = serving ? pki.kubeletServing : pki.cluster;
      const certificate = await authority.signRequest(Buffer.from(spec.request, 'base64'), {
        usages: spec.usages ?? [],
      });
      const type = 'application/merge-patch+json';
      const approved = { type: 'Approved', status: 'True', reason: 'Test', message: 'Test' };
      await client.patch(
        certificateSigningRequests,
        { name, subresource: 'approval' },
        { status: { conditions: [approved] } },
        { type },
      );
      const issued = { status: { certificate: Buffer.from(certificate).toString('base64') } };
      await client.patch(certificateSigningRequests, { name, subresource: 'status' }, issued, { type });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
