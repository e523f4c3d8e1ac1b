import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatKubeconfig } from '../../src/client/kubeconfig.ts';
import { startControlPlane } from '../../src/cluster/control-plane.ts';
import { createJoinToken } from '../../src/cluster/join-token.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { Kubectl } from '../e2e/kubectl.ts';
import { newestKubectl } from '../e2e/kubectl-binaries.ts';
import { busyboxImage, missingContainerd, startContainerd } from './containerd.ts';
import { createNetworkNamespace } from './network-namespace.ts';
import { missingKubelet, startUpstreamKubelet } from './upstream-kubelet.ts';

const binary = newestKubectl();
const missing = missingContainerd() ?? missingKubelet() ?? (binary ? undefined : 'no kubectl for this platform');

test('an upstream kubelet joins by TLS bootstrap, gets both certificates and runs pods', {
  skip: missing ?? false,
  timeout: 300_000,
}, async () => {
  if (!binary) return;
  using namespace = createNetworkNamespace();
  await using containerd = await startContainerd({ namespace: namespace.path, podCidr: '10.88.0.0/24' });
  await using controlPlane = await startControlPlane(
    { host: '0.0.0.0', port: 0, extraNames: [namespace.hostAddress], api: { advertiseAddress: namespace.hostAddress } },
    { log: silentLogger },
  );
  const server = `https://${namespace.hostAddress}:${new URL(controlPlane.server).port}`;
  const token = await createJoinToken(controlPlane.client, {
    server,
    caPin: controlPlane.pki.cluster.pin,
    oneTime: false,
  });
  const caPem = controlPlane.pki.cluster.certificatePem;
  await using kubelet = startUpstreamKubelet({
    name: 'upstream',
    server,
    caPem,
    bootstrapToken: token.token,
    namespace: namespace.path,
    address: namespace.address,
    containerdSocket: containerd.socket,
  });

  const directory = mkdtempSync(join(tmpdir(), 'fairlead-interop-'));
  try {
    const kubeconfig = join(directory, 'kubeconfig');
    const { certificatePem: certificate, privateKeyPem: key } = controlPlane.admin;
    writeFileSync(
      kubeconfig,
      formatKubeconfig({ name: 'interop', server: controlPlane.server, ca: caPem, certificate: { certificate, key } }),
    );
    using kubectl = new Kubectl(binary, { kubeconfig });
    const explain = async <T>(step: Promise<T>): Promise<T> => {
      try {
        return await step;
      } catch (error) {
        throw new Error(`The kubelet's last words: ${kubelet.process.output.slice(-8000)}`, { cause: error });
      }
    };
    await explain(kubectl.run(['wait', '--for=create', 'node/upstream', '--timeout=60s'], { timeoutMs: 70_000 }));
    await explain(
      kubectl.run(['wait', '--for=condition=Ready', 'node/upstream', '--timeout=90s'], { timeoutMs: 100_000 }),
    );

    // An upstream kubelet asks for its address as well as its name. Its connection comes from there, so that needs no person.
    await explain(kubectl.run(['wait', '--for=create', 'serviceaccount/default', '--timeout=30s']));
    const selector = '--field-selector=spec.signerName=kubernetes.io/kubelet-serving';
    const watch = kubectl.start(['get', 'csr', selector, '-o', 'name', '--watch']);
    const [request = ''] = (await watch.printed(/\n/)).split('\n');
    await watch.interrupt();
    await kubectl.run(['wait', request, '--for=condition=Approved', '--timeout=20s']);
    await kubectl.run(['wait', request, '--for=jsonpath={.status.certificate}', '--timeout=20s']);

    await kubectl.apply({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'real' },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: 'c',
            image: busyboxImage,
            imagePullPolicy: 'Never',
            command: ['sh', '-c', 'echo started; mkdir /www; echo served > /www/index.html; httpd -f -p 8080 -h /www'],
            stdin: true,
          },
        ],
      },
    });
    await explain(kubectl.run(['wait', '--for=condition=Ready', 'pod/real', '--timeout=90s'], { timeoutMs: 100_000 }));
    assert.equal(await explain(kubectl.text(['logs', 'real'])), 'started');
    assert.equal(await kubectl.text(['exec', 'real', '--', 'echo', 'hello']), 'hello');
    await kubectl.run(['exec', 'real', '--', 'sh', '-c', 'exit 7'], { code: 7 });
    assert.equal(await kubectl.text(['exec', '-i', 'real', '--', 'cat'], { stdin: 'through\n' }), 'through');
    const spdy = { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false' };
    assert.equal(await kubectl.text(['exec', '-i', 'real', '--', 'cat'], { stdin: 'through\n', env: spdy }), 'through');
    assert.match(
      await kubectl.text(['exec', 'real', '--', 'cat', '/var/run/secrets/kubernetes.io/serviceaccount/namespace']),
      /^default$/,
    );

    const attach = kubectl.start(['attach', 'real', '-i']);
    attach.child.stdin.end();
    await attach.ended;

    const forward = kubectl.start(['port-forward', 'pod/real', ':8080']);
    const [, port] =
      /127\.0\.0\.1:(\d+) ->/.exec(await forward.printed(/Forwarding from 127\.0\.0\.1:\d+ -> 8080\n/)) ?? [];
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'served\n');
    await forward.interrupt();
    await kubectl.run(['delete', 'pod', 'real', '--timeout=60s'], { timeoutMs: 70_000 });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
