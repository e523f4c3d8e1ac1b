import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import type { Node } from '../api/kubernetes/core-v1.ts';
import { MemoryObjects } from '../auth/memory-objects.ts';
import { silentLogger } from '../lib/log.ts';
import { Metrics } from '../lib/metrics.ts';
import type { Dial, DialRoute, DialTarget } from '../stream/dial.ts';
import { createEgress, type EgressOptions } from './create-egress.ts';
import type { EgressSelector } from './egress-selector.ts';

const { signal } = new AbortController();

function node(name: string, route: string | undefined, addresses: readonly string[], podCIDR?: string): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, ...(route && { labels: { 'fairlead.dev/route': route } }) },
    spec: { ...(podCIDR && { podCIDR, podCIDRs: [podCIDR] }) },
    status: { addresses: addresses.map((address) => ({ type: 'InternalIP', address })) },
  };
}

function cluster(...nodes: readonly Node[]): MemoryObjects {
  const objects = new MemoryObjects();
  for (const each of nodes) objects.set('nodes', each);
  return objects;
}

/** An egress whose dialers note what they were asked for. */
function bed(options: Pick<EgressOptions, 'objects'> & Partial<EgressOptions>) {
  const dials: string[] = [];
  const note =
    (kind: string): Dial =>
    async ({ host, port, node: through }, { onRoute }) => {
      dials.push(`${kind} ${host}:${port}${through ? ` ${through}` : ''}`);
      if (kind === 'tunnel') onRoute?.({ kind: 'tunnel', via: `agent-of-${through}` });
      return new PassThrough();
    };
  const metrics = new Metrics();
  const dialers = { direct: note('direct'), tunnel: note('tunnel'), ssh: note('ssh') };
  const dial = createEgress({ ...dialers, metrics, log: silentLogger, ...options });
  const routes: DialRoute[] = [];
  const open = (target: DialTarget) => dial(target, { signal, onRoute: (route) => routes.push(route) });
  return { dials, routes, metrics, open };
}

const nodes = cluster(
  node('plain', undefined, ['10.0.0.1'], '10.244.0.0/24'),
  node('far', 'tunnel', ['192.168.7.2', '127.0.0.1', 'far.example'], '10.244.7.0/24'),
  node('old', 'ssh', ['10.0.0.3'], '2001:db8:3::/64'),
  node('near', 'direct', ['10.0.0.4']),
  node('odd', 'pigeon', ['10.0.0.5']),
);

test('each node is reached by the route that is recorded on it', async () => {
  const { dials, routes, open } = bed({ objects: cluster(...nodes.list<Node>('nodes').slice(0, 4)) });
  for (const name of ['plain', 'far', 'old', 'near']) await open({ host: '10.9.9.9', port: 10250, node: name });
  assert.deepEqual(dials, [
    'direct 10.9.9.9:10250 plain',
    'tunnel 10.9.9.9:10250 far',
    'ssh 10.9.9.9:10250 old',
    'direct 10.9.9.9:10250 near',
  ]);
  assert.deepEqual(routes, [
    { kind: 'direct' },
    { kind: 'tunnel', via: 'agent-of-far' },
    { kind: 'ssh' },
    { kind: 'direct' },
  ]);
});

test('an address of a node behind a tunnel, or of its pods, is never dialled directly', async () => {
  const { dials, open } = bed({ objects: cluster(...nodes.list<Node>('nodes').slice(0, 4)) });
  for (const host of ['192.168.7.2', '::ffff:192.168.7.2', '10.244.7.9', 'FAR.example', '2001:db8:3::9', '10.0.0.3']) {
    await open({ host, port: 80, network: 'controlplane' });
  }
  for (const host of ['10.244.0.9', '8.8.8.8', '127.0.0.1']) await open({ host, port: 80 });
  assert.deepEqual(dials, [
    'tunnel 192.168.7.2:80 far',
    'tunnel ::ffff:192.168.7.2:80 far',
    'tunnel 10.244.7.9:80 far',
    'tunnel FAR.example:80 far',
    'ssh 2001:db8:3::9:80 old',
    'ssh 10.0.0.3:80 old',
    'direct 10.244.0.9:80',
    'direct 8.8.8.8:80',
    'direct 127.0.0.1:80',
  ]);
});

test('a name is resolved before it is dialled, so that it cannot lead around the guard', async () => {
  const { dials, open } = bed({ objects: cluster(node('loop', 'tunnel', [], '127.0.0.0/8')) });
  // Written so that only a resolver reads an address in it.
  await open({ host: '2130706433', port: 80 });
  assert.deepEqual(dials, ['tunnel 127.0.0.1:80 loop']);
});

test('nothing falls back: a route that is not there is an error with the route in it', async () => {
  const { dials, metrics, open } = bed({ objects: nodes, tunnel: undefined, ssh: undefined });
  await assert.rejects(open({ host: '192.168.7.2', port: 10250, node: 'far' }), {
    message:
      "dial tcp 192.168.7.2:10250 (node far) by the tunnel: the node's route is the tunnel, and this control plane has no tunnel server",
  });
  await assert.rejects(open({ host: '10.0.0.3', port: 10250, node: 'old' }), /\(node old\) by SSH: .*--ssh-user/);
  await assert.rejects(
    open({ host: '10.0.0.5', port: 10250, node: 'odd' }),
    /fairlead\.dev\/route=pigeon names no route/,
  );
  await assert.rejects(open({ host: '10.0.0.9', port: 10250, node: 'gone' }), /the node does not exist/);
  assert.deepEqual(dials, []);
  const text = await metrics.render();
  assert.match(text, /fairlead_egress_dials_total\{route="tunnel",result="failure"\} 1/);
  assert.match(text, /fairlead_egress_dials_total\{route="none",result="refused"\} 2/);
});

test('an address that several nodes have is refused unless all of them are reached directly', async () => {
  const twice = cluster(node('a', 'tunnel', ['10.0.0.1']), node('b', undefined, ['10.0.0.1', '10.0.0.2']));
  const { open } = bed({ objects: twice });
  await assert.rejects(open({ host: '10.0.0.1', port: 1 }), {
    message: 'dial tcp 10.0.0.1:1: several nodes have this address (a, b) and not all are reached directly',
  });
  await open({ host: '10.0.0.2', port: 1 });
  await open({ host: '10.0.0.1', port: 1, node: 'b' });
});

test('before the nodes are known only the store is dialled', async () => {
  const { dials, open } = bed({ objects: () => undefined });
  await assert.rejects(open({ host: '10.0.0.1', port: 1, node: 'a' }), /the nodes and their routes are not known yet/);
  await assert.rejects(open({ host: '10.0.0.1', port: 1 }), /not known yet/);
  await open({ host: '10.0.0.1', port: 2379, network: 'etcd' });
  assert.deepEqual(dials, ['direct 10.0.0.1:2379']);
});

test('an error names the hop and its route once, and who passed it on', async () => {
  const tunnel: Dial = (_, { onRoute }) => {
    onRoute?.({ kind: 'tunnel', via: 'n1' });
    return Promise.reject(new Error('connect: connection refused'));
  };
  const { open } = bed({
    objects: cluster(node('n1', 'tunnel', []), node('n2', 'direct', [])),
    tunnel,
    direct: ({ host, port }) => Promise.reject(new Error(`dial tcp ${host}:${port} (node n2): no answer`)),
  });
  await assert.rejects(open({ host: 'fd00::1', port: 80, node: 'n1' }), {
    message: 'dial tcp [fd00::1]:80 (node n1) by the tunnel (agent n1): connect: connection refused',
  });
  await assert.rejects(open({ host: '10.0.0.2', port: 80, node: 'n2' }), {
    message: 'dial tcp 10.0.0.2:80 (node n2) directly: no answer',
  });
});

test('what an egress selector lists goes to its proxy server, and upstream’s metrics count it', async () => {
  const proxied: string[] = [];
  const selector: EgressSelector = {
    dialer: (network) =>
      network === 'cluster'
        ? {
            name: 'GRPC unix:/x',
            labels: { protocol: 'grpc', transport: 'uds' },
            dial: async ({ host }) => {
              proxied.push(host);
              return new PassThrough();
            },
          }
        : undefined,
  };
  const { dials, routes, metrics, open } = bed({
    objects: cluster(...nodes.list<Node>('nodes').slice(0, 4)),
    selector,
  });
  for (const name of ['plain', 'far', 'old']) await open({ host: `${name}.example`, port: 1, node: name });
  const unlisted = await open({ host: '8.8.8.8', port: 443, network: 'controlplane' });
  assert.deepEqual(proxied, ['plain.example', 'far.example']);
  assert.deepEqual(dials, ['ssh old.example:1 old', 'direct 8.8.8.8:443']);
  assert.deepEqual(routes[0], { kind: 'egress-selector', via: 'GRPC unix:/x' });
  const before = await metrics.render();
  assert.match(before, /apiserver_egress_dialer_dial_start_total\{protocol="grpc",transport="uds"\} 2/);
  assert.match(before, /fairlead_egress_open_streams\{route="direct"\} 1/);
  unlisted.destroy();
  await once(unlisted, 'close');
  assert.match(await metrics.render(), /fairlead_egress_open_streams\{route="direct"\} 0/);
});
