import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { connect } from 'node:tls';
import * as k8s from '@kubernetes/client-node';
import type { CertificateSigningRequest } from '../../src/api/kubernetes/certificates-v1.ts';
import type { Node, Pod } from '../../src/api/kubernetes/core-v1.ts';
import { formatKubeconfig } from '../../src/client/kubeconfig.ts';
import { certificateSigningRequests, nodes, pods, serviceAccounts } from '../../src/client/resources.ts';
import { startControlPlane } from '../../src/cluster/control-plane.ts';
import { createJoinToken } from '../../src/cluster/join-token.ts';
import { runNode } from '../../src/kubelet/run-node.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { parseCertificate } from '../../src/pki/certificate.ts';

const day = 86_400_000;

test('both certificates of a node are renewed while it runs, and no stream is dropped', { timeout: 60_000 }, async ({
  signal,
}) => {
  await using parts = new AsyncDisposableStack();
  const directory = mkdtempSync(join(tmpdir(), 'fairlead-rotation-'));
  parts.defer(() => rmSync(directory, { recursive: true, force: true }));
  const controlPlane = parts.use(await startControlPlane({ host: '127.0.0.1', port: 0 }, { log: silentLogger }));
  const { client, server, pki, admin } = controlPlane;
  const { joinString } = await createJoinToken(client, { server, caPin: pki.cluster.pin });
  const clock = leapingClock();
  const more = new PassThrough();
  const node = parts.use(
    await runNode(
      {
        name: 'turning',
        dataDirectory: directory,
        bootstrap: joinString,
        listen: { host: '127.0.0.1', port: 0 },
        runtime: 'simulated',
        simulation: {
          exec: async (_container, { stdin, stdout }) => {
            for await (const chunk of stdin ?? []) stdout?.write(`echo ${chunk}`);
            return 0;
          },
          logs: async function* () {
            yield 'first';
            for await (const line of more) yield String(line);
          },
        },
      },
      { log: silentLogger, signal: AbortSignal.timeout(20_000), clock },
    ),
  );
  await node.ready;
  for await (const event of client.watch(serviceAccounts, { namespace: 'default' })) if (event.type === 'ADDED') break;
  await client.create<Pod>(pods, {
    metadata: { name: 'web', namespace: 'default' },
    spec: { nodeName: 'turning', containers: [{ name: 'c', image: 'x' }] },
  });
  for await (const event of client.watch<Pod>(pods, { namespace: 'default' })) {
    if (event.type !== 'ERROR' && event.object.status?.phase === 'Running') break;
  }
  const config = new k8s.KubeConfig();
  const certificate = { certificate: admin.certificatePem, key: admin.privateKeyPem };
  config.loadFromString(formatKubeconfig({ name: 'a', server, ca: pki.cluster.certificatePem, certificate }));
  const [input, output, log] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const ended = Promise.withResolvers<k8s.V1Status>();
  await new k8s.Exec(config).exec('default', 'web', 'c', ['cat'], output, null, input, false, ended.resolve);
  await new k8s.Log(config).log('default', 'web', 'c', log, { follow: true });
  input.write('before');
  assert.equal(await nextText(output), 'echo before');
  assert.equal(await nextText(log), 'first\n');

  const clientBefore = clientSerial(directory);
  const servingBefore = await servingSerial(node.port, pki.kubeletServing.certificatePem);
  const { metadata } = await client.list(certificateSigningRequests);
  clock.leap(360 * day);
  const issued = new Set<string>();
  for await (const event of client.watch<CertificateSigningRequest>(certificateSigningRequests, {
    resourceVersion: metadata.resourceVersion ?? '',
    signal,
  })) {
    if (event.type === 'ERROR') throw new Error('The watch has failed');
    if (event.object.status?.certificate) issued.add(event.object.spec.signerName);
    if (issued.size === 2) break;
  }
  await untilChanged(() => clientSerial(directory), { before: clientBefore, signal });
  await untilChanged(() => servingSerial(node.port, pki.kubeletServing.certificatePem), {
    before: servingBefore,
    signal,
  });

  input.write('after');
  assert.equal(await nextText(output), 'echo after');
  more.write('second');
  assert.equal(await nextText(log), 'second\n');
  input.end();
  assert.equal((await ended.promise).status, 'Success');
  more.end();
  const again = await config.makeApiClient(k8s.CoreV1Api).readNamespacedPodLog({ namespace: 'default', name: 'web' });
  assert.equal(again, 'first\n', 'the API server believes the new certificate');
  const { status } = await node.client.get<Node>(nodes, { name: 'turning' });
  assert.equal(status?.conditions?.find(({ type }) => type === 'Ready')?.status, 'True');
});

/** The system's time, except that `leap` lets long waits see another time once: certificates are due, and leases are not. */
function leapingClock(): Clock & { leap(ms: number): void } {
  let offsetMs = 0;
  const waiting = new Set<() => void>();
  return {
    now: () => Date.now() + offsetMs,
    delay: async (ms, options) => {
      if (ms < day) return systemClock.delay(ms, options);
      const leapt = Promise.withResolvers<void>();
      waiting.add(leapt.resolve);
      const { signal } = options ?? {};
      const abort = () => leapt.reject(signal?.reason);
      signal?.addEventListener('abort', abort, { once: true });
      try {
        await leapt.promise;
      } finally {
        waiting.delete(leapt.resolve);
        signal?.removeEventListener('abort', abort);
      }
    },
    leap(ms) {
      offsetMs = ms;
      for (const resolve of [...waiting]) resolve();
      // After those who waited have looked at the time.
      setImmediate(() => {
        offsetMs = 0;
      });
    },
  };
}

async function nextText(stream: PassThrough): Promise<string> {
  const [chunk] = (await once(stream, 'data')) as [Buffer]; // no encoding is set
  return chunk.toString();
}

function clientSerial(directory: string): string {
  return parseCertificate(readFileSync(join(directory, 'pki', 'kubelet-client-current.pem'))).x509.serialNumber;
}

/** Of the certificate that the kubelet shows to a new connection. */
async function servingSerial(port: number, ca: string): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, ca, servername: 'turning' });
  await once(socket, 'secureConnect');
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}

/** What is issued has still to reach the node: it says so nowhere but here. */
async function untilChanged(
  read: () => string | Promise<string>,
  { before, signal }: { before: string; signal: AbortSignal },
): Promise<void> {
  while ((await read()) === before) await systemClock.delay(10, { signal });
}
