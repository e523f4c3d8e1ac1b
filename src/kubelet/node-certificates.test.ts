import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type ConnectionOptions, connect } from 'node:tls';
import type { Pod } from '../api/kubernetes/core-v1.ts';
import { pods } from '../client/resources.ts';
import type { SigningOptions } from '../pki/signing.ts';
import { openBed } from './node-bed-suite.ts';

test("a node finds the cluster's CA by its pin, and joins no other cluster", async () => {
  await using bed = await openBed();
  const { server, token } = bed.bootstrap;
  const caPin = `sha256:${'0'.repeat(64)}`;
  await assert.rejects(bed.run({ runtime: 'simulated', bootstrap: { server, token, caPin } }), /another cluster CA/);
  await using node = await bed.run({
    runtime: 'simulated',
    bootstrap: { server, token, caPin: bed.pki.cluster.pin },
  });
  await node.ready;
});

test('both certificates are renewed while the node runs, and no stream is dropped', async () => {
  const renew = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const renewed = new Set<string>();
  let joined = false;
  await using bed = await openBed({
    sign: async (purpose): Promise<Partial<SigningOptions>> => {
      // The first ones are nearly over, so that the node asks for others as soon as it is back.
      if (!joined) return { nowMs: Date.now() - 540_000, expirationSeconds: 600 };
      await renew.promise;
      renewed.add(purpose);
      return {};
    },
  });
  using _waiting = {
    [Symbol.dispose]() {
      renew.resolve(); // whatever fails, nobody waits for ever
      goOn.resolve();
    },
  };
  const first = await bed.run({ runtime: 'simulated' });
  await first.ready;
  await first[Symbol.asyncDispose]();
  joined = true;
  await using node = await bed.run({
    runtime: 'simulated',
    simulation: {
      logs: async function* () {
        yield 'before';
        await goOn.promise;
        yield 'after';
      },
    },
  });
  await node.ready;
  await bed.client.create<Pod>(pods, bed.pod(), { namespace: 'default' });
  await bed.untilRunning(0);
  const admin = await bed.pki.cluster.issue({
    commonName: 'admin',
    organizations: ['system:masters'],
    usages: ['client'],
  });
  const credentials = {
    port: node.port,
    host: '127.0.0.1',
    servername: 'node-1',
    ca: bed.pki.kubeletServing.certificatePem,
    cert: admin.certificatePem,
    key: admin.privateKeyPem,
  };
  const call = request({ ...credentials, agent: false, path: '/containerLogs/default/web/main?follow=true' });
  call.end();
  const [logs] = (await once(call, 'response')) as [IncomingMessage];
  const lines = logs.setEncoding('utf8')[Symbol.asyncIterator]();
  assert.equal((await lines.next()).value, 'before\n');

  const current = () =>
    Promise.all(['client', 'server'].map((name) => readFile(join(bed.directory, `pki/kubelet-${name}-current.pem`))));
  const old = await current();
  const oldSerial = await serialOf(credentials);
  renew.resolve();
  while ((await current()).some((pem, index) => old[index]?.equals(pem))) await delay(10);
  while ((await serialOf(credentials)) === oldSerial) await delay(10);
  goOn.resolve();
  assert.equal((await lines.next()).value, 'after\n');
  assert.equal((await lines.next()).done, true);

  // The node's own watches go on with the new certificate.
  const next = bed.pod();
  await bed.client.create<Pod>(
    pods,
    { ...next, metadata: { ...next.metadata, name: 'second' } },
    { namespace: 'default' },
  );
  for await (const { type, object } of bed.client.watch<Pod>(pods, {
    namespace: 'default',
    signal: AbortSignal.timeout(20_000),
  })) {
    if (type === 'BOOKMARK' || type === 'ERROR') continue;
    if (object.metadata?.name === 'second' && object.status?.phase === 'Running') break;
  }
  assert.deepEqual([...renewed].sort(), ['client', 'server']);
});

async function serialOf(options: ConnectionOptions): Promise<string> {
  const socket = connect(options);
  await once(socket, 'secureConnect');
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}
