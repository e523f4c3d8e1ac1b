import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Node } from '../../src/api/kubernetes/core-v1.ts';
import { MemoryObjects } from '../../src/auth/memory-objects.ts';
import { createEgress } from '../../src/egress/create-egress.ts';
import { openSshTunnels } from '../../src/egress/ssh/open-ssh-tunnels.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { Metrics } from '../../src/lib/metrics.ts';
import type { DialRoute } from '../../src/stream/dial.ts';
import { listenTarget, readAll, until } from '../../src/tunnel/tunnel-suite.ts';
import { makeSshKey, missingSshServer, sshUser, startSshServer } from './ssh-server.ts';

const missing = missingSshServer();
const { signal } = new AbortController();
const payload = randomBytes(4 * 1024 * 1024);
const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

function sshNode(name: string, port: number, hostKeys?: string): Node {
  const annotations = {
    'fairlead.dev/ssh-port': String(port),
    ...(hostKeys && { 'fairlead.dev/ssh-host-keys': hostKeys }),
  };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { 'fairlead.dev/route': 'ssh' }, annotations },
    status: { addresses: [{ type: 'InternalIP', address: '127.0.0.1' }] },
  };
}

describe('SSH tunnels through a real OpenSSH server', { skip: missing ?? false }, () => {
  let directory: string;
  let count = 0;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'fairlead-ssh-'));
  });
  after(() => rm(directory, { recursive: true }));
  const path = (name: string) => join(directory, name);

  /** A server, its host key, a client key that it takes, and tunnels that follow `objects`. */
  async function bed({ hostKeyType = 'ed25519' as 'ed25519' | 'ecdsa', knownHosts = '' } = {}) {
    await using opened = new AsyncDisposableStack();
    const id = `${++count}`;
    const hostKey = makeSshKey(path(`host-${id}`), hostKeyType);
    const clientKey = makeSshKey(path(`client-${id}`), hostKeyType);
    const options = { directory, name: `sshd-${id}`, hostKeyFile: path(`host-${id}`), authorizedKeys: clientKey };
    const server = opened.use(await startSshServer(options));
    const knownHostsFile = path(`known-${id}`);
    await writeFile(knownHostsFile, knownHosts.replaceAll('PORT', String(server.port)));
    const metrics = new Metrics();
    const config = { user: sshUser, keyFile: path(`client-${id}`), knownHostsFile };
    const tunnels = opened.use(await openSshTunnels(config, { metrics, log: silentLogger }));
    const objects = new MemoryObjects();
    tunnels.follow(objects);
    const dial = createEgress({ objects, ssh: tunnels.dial, metrics, log: silentLogger });
    const routes: DialRoute[] = [];
    const open = (port: number, node = 'n1') =>
      dial({ host: '127.0.0.1', port, node }, { signal, onRoute: (route) => routes.push(route) });
    const owned = opened.move();
    return {
      ...{ hostKey, options, server, knownHostsFile, metrics, tunnels, objects, routes, open },
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    };
  }

  for (const hostKeyType of ['ed25519', 'ecdsa'] as const) {
    test(`bytes go both ways and behind our end, with the ${hostKeyType} key that the Node publishes`, async () => {
      await using ssh = await bed({ hostKeyType });
      ssh.objects.set('nodes', sshNode('n1', ssh.server.port, ssh.hostKey));
      await using target = await listenTarget((socket) => {
        void readAll(socket).then((bytes) => socket.end(bytes));
      });
      const stream = await ssh.open(target.port);
      stream.end(payload);
      assert.equal(hash(await readAll(stream)), hash(payload));
      assert.deepEqual(ssh.routes, [{ kind: 'ssh', via: `127.0.0.1:${ssh.server.port}` }]);
      const text = await ssh.metrics.render();
      assert.match(text, /^ssh_tunnel_open_count 1$/m);
      assert.match(text, /^ssh_tunnel_open_fail_count 0$/m);
      assert.equal(ssh.tunnels.health(), undefined);
    });
  }

  test('a refused connection at the far end, and an unknown node, are told with the route', async () => {
    await using ssh = await bed();
    ssh.objects.set('nodes', sshNode('n1', ssh.server.port, ssh.hostKey));
    const closed = await listenTarget(() => {});
    await closed[Symbol.asyncDispose]();
    await assert.rejects(ssh.open(closed.port), {
      message: new RegExp(
        `^dial tcp 127\\.0\\.0\\.1:${closed.port} \\(node n1\\) by SSH \\(server 127\\.0\\.0\\.1:${ssh.server.port}\\): .*Connection refused`,
      ),
    });
    await assert.rejects(ssh.open(closed.port, 'n2'), /the node does not exist/);
  });

  test('a server whose key is not known is not talked to', async () => {
    await using ssh = await bed();
    ssh.objects.set('nodes', sshNode('n1', ssh.server.port));
    await assert.rejects(ssh.open(1), /the key of its SSH server is not known: add it to the known-hosts file/);
  });

  test('a server that shows another key than the known one is refused, whatever the Node publishes', async () => {
    const stranger = makeSshKey(path('stranger'));
    await using ssh = await bed({ knownHosts: `[127.0.0.1]:PORT ${stranger}\n` });
    ssh.objects.set('nodes', sshNode('n1', ssh.server.port, ssh.hostKey));
    await assert.rejects(ssh.open(1), /no connection to its SSH server: .*[Hh]ost/);
    assert.match(await ssh.metrics.render(), /^ssh_tunnel_open_fail_count [1-9]/m);
  });

  test('a revoked key is refused', async () => {
    await using ssh = await bed();
    await writeFile(ssh.knownHostsFile, `@revoked * ${ssh.hostKey}\n`);
    ssh.objects.set('nodes', sshNode('n1', ssh.server.port, ssh.hostKey));
    await assert.rejects(ssh.open(1), /no connection to its SSH server: .*[Hh]ost/);
  });

  test('a server that stops and comes back is reached again; its streams end', async () => {
    await using ssh = await bed();
    ssh.objects.set('nodes', sshNode('n1', ssh.server.port, ssh.hostKey));
    await using target = await listenTarget((socket) => void socket.pipe(socket));
    const stream = await ssh.open(target.port);
    const closed = new Promise((resolve) => stream.once('close', resolve));
    stream.on('error', () => {}); // an end by an error is as good as an end
    stream.on('end', () => stream.destroy());
    stream.resume();
    await ssh.server[Symbol.asyncDispose]();
    await closed;
    await using again = await startSshServer({ ...ssh.options, port: ssh.server.port });
    assert.equal(again.port, ssh.server.port);
    await until(async () => {
      const reopened = await ssh.open(target.port).catch(() => undefined);
      reopened?.destroy();
      return reopened !== undefined;
    });
  });

  test('a node that goes takes its tunnel with it', async () => {
    await using ssh = await bed();
    ssh.objects.set('nodes', sshNode('n1', ssh.server.port, ssh.hostKey));
    await using target = await listenTarget((socket) => void socket.write('hello'));
    const stream = await ssh.open(target.port);
    await once(stream, 'data');
    const closed = new Promise((resolve) => stream.once('close', resolve));
    stream.on('error', () => {}); // likewise
    stream.on('end', () => stream.destroy());
    ssh.objects.delete('nodes', { namespace: '', name: 'n1' });
    await closed;
    await assert.rejects(ssh.open(target.port), /the node does not exist/);
  });

  test('a key file that does not exist is made, and one of another kind is refused', async () => {
    await using made = await openSshTunnels({ user: 'u', keyFile: path('made') }, { log: silentLogger });
    assert.equal(made.health(), undefined);
    assert.match(await readFile(path('made.pub'), 'utf8'), /^ssh-ed25519 AAAA\S+ u@fairlead\n$/);
    makeSshKey(path('rsa'), 'rsa');
    await assert.rejects(openSshTunnels({ user: 'u', keyFile: path('rsa') }, { log: silentLogger }), {
      name: 'ConfigError',
      message: `--ssh-keyfile: ${path('rsa')} holds a key of type ssh-rsa; expected ed25519 or ECDSA`,
    });
  });
});
