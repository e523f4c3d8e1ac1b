import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { createCluster } from '../../src/testing/create-cluster.ts';
import { ServiceObjects } from './kube-proxy/service-objects.ts';

const nobody = 65_534;

test('an ordinary user’s kube-proxy serves Services by listeners, and shows which ports it had to map', {
  skip: process.getuid?.() === 0 && process.platform === 'linux' ? false : 'becomes another user: needs root on Linux',
  timeout: 60_000,
}, async () => {
  await using cluster = await createCluster({ controllers: false });
  const objects = new ServiceObjects(cluster.client);
  const web = await objects.create('web');
  await objects.serve('web', [{ addresses: ['10.0.0.1'] }]);
  const directory = mkdtempSync(join(tmpdir(), 'fairlead-proxy-'));
  const kubeconfig = join(directory, 'kubeconfig');
  writeFileSync(kubeconfig, cluster.kubeconfig, { mode: 0o600 });
  for (const path of [directory, kubeconfig]) chownSync(path, nobody, nobody);
  const main = join(import.meta.dirname, '../../src/cli/main.ts');
  const args = ['--kubeconfig', kubeconfig, '--hostname-override', 'n', '--loopback-range', '127.98.0.0/16'];
  const child = spawn(
    process.execPath,
    [main, 'kube-proxy', ...args, '--healthz-bind-address=', '--metrics-bind-address', '127.0.0.1:0'],
    {
      uid: nobody,
      gid: nobody,
      cwd: '/',
      stdio: ['ignore', 'inherit', 'pipe'],
      env: { PATH: process.env['PATH'], HOME: '/' },
    },
  );
  try {
    const lines: Record<string, unknown>[] = [];
    for await (const line of createInterface({ input: child.stderr })) {
      lines.push(JSON.parse(line));
      if (lines.at(-1)?.['msg'] === 'All Services are in force') break;
    }
    assert.equal(lines.at(-1)?.['mode'], 'userspace', JSON.stringify(lines));
    const mapped = lines.find((line) => line['msg'] === 'Mapped Service port' && line['name'] === 'web');
    const [, , third, last] = (web.spec?.clusterIP ?? '').split('.');
    const listen = { address: `127.98.${third}.${last}`, port: 8080 };
    assert.deepEqual(mapped?.['listen'], listen, 'port 80 needs rights and is moved by 8000');
    const socket = connect(listen.port, listen.address);
    socket.on('error', () => {}); // Its endpoint is nowhere: that it is tried shows in the time it takes.
    await once(socket, 'connect');
    socket.destroy();
  } finally {
    child.kill('SIGTERM');
    const [code] = await once(child, 'exit');
    assert.equal(code, 0);
    rmSync(directory, { recursive: true });
  }
});
