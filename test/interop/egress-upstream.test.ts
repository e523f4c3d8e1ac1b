import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ClusterRoleBinding } from '../../src/api/kubernetes/rbac-v1.ts';
import { defaultNodeTokenGroup } from '../../src/auth/bootstrap-tokens.ts';
import { createJoinToken } from '../../src/cluster/join-token.ts';
import { runNode } from '../../src/kubelet/run-node.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { Kubectl } from '../e2e/kubectl.ts';
import { newestKubectl } from '../e2e/kubectl-binaries.ts';
import { egressFile } from './egress-files.ts';
import {
  freePorts,
  konnectivityProgram,
  startAgent,
  startServer,
  writeKonnectivityFiles,
} from './konnectivity-peers.ts';
import { missingControlPlane, startUpstreamControlPlane, type UpstreamControlPlane } from './upstream-control-plane.ts';

const binary = newestKubectl();
const missing = missingControlPlane() ?? (binary ? undefined : 'no kubectl for this platform');

test('an upstream kube-apiserver reaches our node through our Konnectivity server, with our agent and upstream’s', {
  skip: missing ?? false,
  timeout: 300_000,
}, async (context) => {
  if (!binary) return;
  await using opened = new AsyncDisposableStack();
  const files = await writeKonnectivityFiles(await mkdtemp(join(tmpdir(), 'fairlead-egress-')));
  const { directory } = files;
  opened.defer(() => rm(directory, { recursive: true }));
  const ports = await freePorts();
  const udsPath = join(directory, 'konnectivity.sock');
  const ours = konnectivityProgram('ours', 'server') ?? [];
  const server = opened.use(await startServer(ours, { ...files, mode: 'grpc', udsPath, ports }));
  opened.defer(() => void server.child.kill('SIGKILL'));
  const egressSelectorFile = join(directory, 'egress.yaml');
  await writeFile(egressSelectorFile, egressFile({ transport: 'GRPC UDS', directory, udsPath, port: 0 }));
  const upstream = opened.use(await startUpstreamControlPlane({ egressSelectorFile }));

  using kubectl = new Kubectl(binary, { kubeconfig: upstream.kubeconfig });
  const ending = new AbortController();
  opened.defer(() => ending.abort());
  opened.use(await joinNode(upstream, kubectl, { directory, signal: ending.signal }));
  await kubectl.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'ours' },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [
        { name: 'c', image: 'busybox', command: ['sh', '-c', 'echo started; sleep 1000'] },
        { name: 'demo', image: 'fairlead/demo' },
      ],
    },
  });
  await kubectl.run(['wait', '--for=condition=Ready', 'pod/ours', '--timeout=60s'], { timeoutMs: 70_000 });
  await context.test('without an agent nothing reaches the node', async () => {
    const { stderr } = await kubectl.run(['logs', 'ours', '-c', 'c'], { code: 1 });
    assert.match(stderr, /No agent available/);
  });
  for (const maker of ['ours', 'upstream'] as const) {
    const program = konnectivityProgram(maker, 'agent');
    await context.test(
      `agent: ${maker}`,
      { skip: program ? false : 'not built: npm run peers konnectivity' },
      async () => {
        if (!program) return;
        const agent = await startAgent(program, { ...files, ports, serverHealthPort: ports.health });
        try {
          await useNode(kubectl);
        } finally {
          agent.child.kill('SIGKILL');
          await agent[Symbol.asyncDispose]();
        }
      },
    );
  }
  await kubectl.run(['delete', 'pod', 'ours', '--force', '--grace-period=0']);
});

/** As kubeadm sets it up; kube-apiserver verifies the name it dials, and that must resolve. */
async function joinNode(
  upstream: UpstreamControlPlane,
  kubectl: Kubectl,
  { directory, signal }: { directory: string; signal: AbortSignal },
) {
  await bindRole(upstream, 'kubeadm:kubelet-bootstrap', 'system:node-bootstrapper');
  const signer = 'system:certificates.k8s.io:certificatesigningrequests:nodeclient';
  await bindRole(upstream, 'kubeadm:node-autoapprove-bootstrap', signer);
  const caPin = upstream.pki.cluster.pin;
  const { token } = await createJoinToken(upstream.client, { server: upstream.server, caPin, oneTime: false });
  const name = 'localhost';
  const node = await runNode(
    {
      name,
      dataDirectory: join(directory, 'node'),
      bootstrap: { server: upstream.server, token, ca: upstream.pki.cluster.certificatePem },
      listen: { host: '127.0.0.1', port: 0 },
      onShutdown: 'stop-pods',
    },
    { log: silentLogger, signal },
  );
  const selector = '--field-selector=spec.signerName=kubernetes.io/kubelet-serving';
  const watch = kubectl.start(['get', 'csr', selector, '-o', 'name', '--watch']);
  const [request = ''] = (await watch.printed(/\n/)).split('\n');
  await watch.interrupt();
  await kubectl.run(['certificate', 'approve', request.replace(/^.*\//, '')]);
  await node.ready;
  await kubectl.run(['wait', '--for=condition=Ready', `node/${name}`, '--timeout=60s'], { timeoutMs: 70_000 });
  const wanted = ['serviceaccount/default', 'configmap/kube-root-ca.crt'];
  await kubectl.run(['wait', '--for=create', ...wanted, '--timeout=30s']);
  return node;
}

async function useNode(kubectl: Kubectl): Promise<void> {
  assert.equal(await kubectl.text(['logs', 'ours', '-c', 'c']), 'started');
  for (const env of [{}, { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false' }] as Record<string, string>[]) {
    const through = await kubectl.text(['exec', '-i', 'ours', '-c', 'c', '--', 'cat'], { stdin: 'through\n', env });
    assert.equal(through, 'through');
    await kubectl.run(['exec', 'ours', '-c', 'c', '--', 'sh', '-c', 'exit 7'], { code: 7, env });
  }
  const forward = kubectl.start(['port-forward', 'pod/ours', ':8080']);
  const printed = await forward.printed(/Forwarding from 127\.0\.0\.1:\d+ -> 8080\n/);
  const [, port] = /127\.0\.0\.1:(\d+) ->/.exec(printed) ?? [];
  assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200);
  await forward.interrupt();
}

async function bindRole({ client }: UpstreamControlPlane, name: string, role: string): Promise<void> {
  const resource = { group: 'rbac.authorization.k8s.io', version: 'v1', resource: 'clusterrolebindings' };
  await client.create<ClusterRoleBinding>(resource, {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: defaultNodeTokenGroup }],
  });
}
