import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
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
import { missingControlPlane, startUpstreamControlPlane } from './upstream-control-plane.ts';

const binary = newestKubectl();
const missing = missingControlPlane() ?? (binary ? undefined : 'no kubectl for this platform');

test('our node agent joins an upstream kube-apiserver and runs pods', {
  skip: missing ?? false,
  timeout: 300_000,
}, async () => {
  if (!binary) return;
  await using upstream = await startUpstreamControlPlane();
  // What kubeadm sets up for joining nodes.
  await bindRole(upstream.client, 'kubeadm:kubelet-bootstrap', 'system:node-bootstrapper');
  const signer = 'system:certificates.k8s.io:certificatesigningrequests:nodeclient';
  await bindRole(upstream.client, 'kubeadm:node-autoapprove-bootstrap', signer);
  const token = await createJoinToken(upstream.client, {
    server: upstream.server,
    caPin: upstream.pki.cluster.pin,
    oneTime: false,
  });

  const directory = mkdtempSync(join(tmpdir(), 'fairlead-node-'));
  const ending = new AbortController();
  try {
    // kube-apiserver verifies the name it dials, and that must resolve.
    const name = 'localhost';
    await using node = await runNode(
      {
        name,
        dataDirectory: directory,
        bootstrap: { server: upstream.server, token: token.token, ca: upstream.pki.cluster.certificatePem },
        listen: { host: '127.0.0.1', port: 0 },
        onShutdown: 'stop-pods',
      },
      { log: silentLogger, signal: ending.signal },
    );
    using kubectl = new Kubectl(binary, { kubeconfig: upstream.kubeconfig });
    // Upstream never approves serving certificates by itself.
    const selector = '--field-selector=spec.signerName=kubernetes.io/kubelet-serving';
    const watch = kubectl.start(['get', 'csr', selector, '-o', 'name', '--watch']);
    const [request = ''] = (await watch.printed(/\n/)).split('\n');
    await watch.interrupt();
    await kubectl.run(['certificate', 'approve', request.replace(/^.*\//, '')]);
    await node.ready;
    await kubectl.run(['wait', '--for=condition=Ready', `node/${name}`, '--timeout=60s'], { timeoutMs: 70_000 });
    await kubectl.run([
      'wait',
      '--for=create',
      'serviceaccount/default',
      'configmap/kube-root-ca.crt',
      '--timeout=30s',
    ]);

    await kubectl.apply({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'ours' },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: 'c',
            image: 'busybox',
            command: ['sh', '-c', 'echo started; while read line; do echo "got $line"; done; sleep 1000'],
            stdin: true,
          },
          { name: 'demo', image: 'fairlead/demo' },
        ],
      },
    });
    const ready = await kubectl.run(['wait', '--for=condition=Ready', 'pod/ours', '--timeout=60s'], {
      timeoutMs: 70_000,
      code: 'any',
    });
    assert.equal(ready.code, 0, `${ready.stderr}\n${await kubectl.text(['describe', 'pod', 'ours'])}`);
    assert.equal(await kubectl.text(['logs', 'ours', '-c', 'c']), 'started');
    for (const env of [{}, { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false' }] as Record<string, string>[]) {
      const through = await kubectl.text(['exec', '-i', 'ours', '-c', 'c', '--', 'cat'], { stdin: 'through\n', env });
      assert.equal(through, 'through');
      await kubectl.run(['exec', 'ours', '-c', 'c', '--', 'sh', '-c', 'exit 7'], { code: 7, env });
    }
    assert.equal(
      await kubectl.text([
        'exec',
        'ours',
        '-c',
        'c',
        '--',
        'cat',
        '/var/run/secrets/kubernetes.io/serviceaccount/namespace',
      ]),
      'default',
    );
    const attach = kubectl.start(['attach', 'ours', '-c', 'c', '-i']);
    attach.child.stdin.write('ping\n');
    await attach.printed(/got ping/);
    await attach.interrupt();

    for (const env of [{}, { KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false' }] as Record<string, string>[]) {
      const forward = kubectl.start(['port-forward', 'pod/ours', ':8080'], env);
      const printed = await forward.printed(/Forwarding from 127\.0\.0\.1:\d+ -> 8080\n/);
      const [, port] = /127\.0\.0\.1:(\d+) ->/.exec(printed) ?? [];
      assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200);
      await forward.interrupt();
    }
    await kubectl.run(['delete', 'pod', 'ours', '--timeout=60s'], { timeoutMs: 70_000 });
  } finally {
    ending.abort();
    rmSync(directory, { recursive: true, force: true });
  }
});

async function bindRole(
  client: Awaited<ReturnType<typeof startUpstreamControlPlane>>['client'],
  name: string,
  role: string,
): Promise<void> {
  const resource = { group: 'rbac.authorization.k8s.io', version: 'v1', resource: 'clusterrolebindings' };
  await client.create<ClusterRoleBinding>(resource, {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: defaultNodeTokenGroup }],
  });
}
