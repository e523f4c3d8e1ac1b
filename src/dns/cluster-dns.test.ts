import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import type { Service, ServiceSpec } from '../api/kubernetes/core-v1.ts';
import type { EndpointSlice } from '../api/kubernetes/discovery-v1.ts';
import { endpointSlices, services } from '../client/resources.ts';
import { silentLogger } from '../lib/log.ts';
import { createCluster } from '../testing/create-cluster.ts';
import { decodeDnsQuery, encodeDnsAnswer, encodeDnsQuery } from '../wire/dns-message.ts';
import { runClusterDns } from './run-cluster-dns.ts';

/** A cluster with DNS, and a resolver that asks it: c-ares, whose code is not ours. */
async function createBed(objects: Readonly<Record<string, ServiceSpec>>, slices: readonly EndpointSlice[] = []) {
  await using parts = new AsyncDisposableStack();
  const cluster = parts.use(await createCluster({ controllers: false }));
  const made: Record<string, Service> = {};
  for (const [name, spec] of Object.entries(objects)) {
    made[name] = await cluster.client.create<Service>(services, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: 'default' },
      spec,
    });
  }
  for (const slice of slices) await cluster.client.create(endpointSlices, slice);
  const elsewhere = parts.use(await listenElsewhere());
  const dns = parts.use(
    await runClusterDns(
      { listen: { host: '127.0.0.1', port: 0 }, resolvers: [{ address: '127.0.0.1', port: elsewhere.port }] },
      { client: cluster.client, log: silentLogger },
    ),
  );
  await dns.synced;
  const resolver = new Resolver({ timeout: 2000, tries: 1 });
  resolver.setServers([`127.0.0.1:${dns.port}`]);
  const owned = parts.move();
  return { resolver, made, dns, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** The rest of the world: every name is 203.0.113.7, but `gone.example` does not exist. */
async function listenElsewhere() {
  const socket = createSocket('udp4');
  socket.on('message', (message, peer) => {
    const query = decodeDnsQuery(message);
    const { name } = query.question;
    const missing = name === 'gone.example';
    const answers = missing ? [] : [{ type: 'A', name, ttl: 60, address: '203.0.113.7' } as const];
    const answer = { code: missing ? 3 : 0, authoritative: false, answers };
    socket.send(encodeDnsAnswer(query, answer, { maxBytes: 512 }), peer.port, peer.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    port: socket.address().port,
    [Symbol.asyncDispose]: async () => {
      socket.close();
    },
  };
}

function slice(service: string, endpoints: EndpointSlice['endpoints']): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${service}-1`, namespace: 'default', labels: { 'kubernetes.io/service-name': service } },
    addressType: 'IPv4',
    ports: [{ name: 'web', port: 8080, protocol: 'TCP' }],
    ...(endpoints && { endpoints }),
  };
}

const web = [{ name: 'web', port: 80, protocol: 'TCP' }];

test('a Service has its name, its ports and its reverse name', async () => {
  await using bed = await createBed({ shop: { ports: web } });
  const { resolver, made } = bed;
  const address = made['shop']?.spec?.clusterIP ?? '';
  assert.deepEqual(await resolver.resolve4('shop.default.svc.cluster.local'), [address]);
  assert.deepEqual(await resolver.resolve4('SHOP.default.svc.cluster.local'), [address]);
  assert.deepEqual(await resolver.resolve4('kubernetes.default.svc.cluster.local'), ['10.96.0.1']);
  const [srv] = await resolver.resolveSrv('_web._tcp.shop.default.svc.cluster.local');
  assert.deepEqual([srv?.name, srv?.port, srv?.priority, srv?.weight], ['shop.default.svc.cluster.local', 80, 0, 100]);
  assert.deepEqual(await resolver.reverse(address), ['shop.default.svc.cluster.local']);
  assert.deepEqual(await resolver.resolveTxt('dns-version.cluster.local'), [['1.1.0']]);
});

test('a name that is not there does not exist, and one without such records has none', async () => {
  await using bed = await createBed({ shop: { ports: web } });
  const { resolver } = bed;
  for (const name of ['none.default', 'shop.none', 'a.shop.default', '_web._udp.shop.default']) {
    await assert.rejects(resolver.resolve4(`${name}.svc.cluster.local`), { code: 'ENOTFOUND' }, name);
  }
  await assert.rejects(resolver.resolve4('other.cluster.local'), { code: 'ENOTFOUND' });
  await assert.rejects(resolver.resolve6('shop.default.svc.cluster.local'), { code: 'ENODATA' });
  await assert.rejects(resolver.resolve4('default.svc.cluster.local'), { code: 'ENODATA' });
});

test('a headless Service is all its ready endpoints, each with a name of its own', async () => {
  await using bed = await createBed({ db: { clusterIP: 'None', ports: web } }, [
    slice('db', [
      { addresses: ['10.244.0.5'], hostname: 'db-0' },
      { addresses: ['10.244.0.6'] },
      { addresses: ['10.244.0.7'], conditions: { ready: false } },
    ]),
  ]);
  const { resolver } = bed;
  const base = 'db.default.svc.cluster.local';
  assert.deepEqual((await resolver.resolve4(base)).sort(), ['10.244.0.5', '10.244.0.6']);
  assert.deepEqual(await resolver.resolve4(`db-0.${base}`), ['10.244.0.5']);
  assert.deepEqual(await resolver.resolve4(`10-244-0-6.${base}`), ['10.244.0.6']);
  const names = (await resolver.resolveSrv(`_web._tcp.${base}`)).map(({ name, port }) => `${name}:${port}`);
  assert.deepEqual(names.sort(), [`10-244-0-6.${base}:8080`, `db-0.${base}:8080`]);
  assert.deepEqual(await resolver.reverse('10.244.0.5'), [`db-0.${base}`]);
});

test('a pod has the name of its address', async () => {
  await using bed = await createBed({});
  assert.deepEqual(await bed.resolver.resolve4('10-244-0-5.default.pod.cluster.local'), ['10.244.0.5']);
  assert.deepEqual(await bed.resolver.resolve6('fd00--5.default.pod.cluster.local'), ['fd00::5']);
  await assert.rejects(bed.resolver.resolve4('nonsense.default.pod.cluster.local'), { code: 'ENOTFOUND' });
});

test('an external name is an alias, followed here and elsewhere', async () => {
  await using bed = await createBed({
    shop: { ports: web },
    near: { type: 'ExternalName', externalName: 'shop.default.svc.cluster.local' },
    far: { type: 'ExternalName', externalName: 'www.example' },
    loop: { type: 'ExternalName', externalName: 'loop.default.svc.cluster.local' },
  });
  const { resolver, made } = bed;
  assert.deepEqual(await resolver.resolve4('near.default.svc.cluster.local'), [made['shop']?.spec?.clusterIP]);
  assert.deepEqual(await resolver.resolve4('far.default.svc.cluster.local'), ['203.0.113.7']);
  assert.deepEqual(await resolver.resolveCname('far.default.svc.cluster.local'), ['www.example']);
  await assert.rejects(resolver.resolve4('loop.default.svc.cluster.local'), { code: 'ESERVFAIL' });
});

test('all other names are asked elsewhere', async () => {
  await using bed = await createBed({});
  assert.deepEqual(await bed.resolver.resolve4('www.example'), ['203.0.113.7']);
  await assert.rejects(bed.resolver.resolve4('gone.example'), { code: 'ENOTFOUND' });
});

test('an answer that is too long for UDP comes over TCP', async () => {
  const addresses = Array.from({ length: 200 }, (_, index) => `10.244.1.${index + 1}`);
  await using bed = await createBed({ many: { clusterIP: 'None', ports: web } }, [
    slice(
      'many',
      addresses.map((address) => ({ addresses: [address] })),
    ),
  ]);
  const found = await bed.resolver.resolve4('many.default.svc.cluster.local');
  assert.deepEqual(found.sort(), addresses.sort());
});

test('bytes that are no query get no answer and do no harm', async () => {
  await using bed = await createBed({ shop: { ports: web } });
  const socket = createSocket('udp4');
  for (const bytes of [[], [1, 2, 3], Array<number>(600).fill(0xc0), Array<number>(12).fill(0xff)]) {
    socket.send(Buffer.from(bytes), bed.dns.port, '127.0.0.1');
  }
  const stream = connect(bed.dns.port, '127.0.0.1');
  stream.end(Buffer.from([0, 3, 1, 2, 3]));
  stream.resume();
  await once(stream, 'close');
  await new Promise<void>((resolve) => void socket.close(resolve));
  assert.equal((await bed.resolver.resolve4('shop.default.svc.cluster.local')).length, 1);
});

test('queries over one TCP connection may come in pieces and in a row', async () => {
  await using bed = await createBed({ shop: { ports: web } });
  const query = encodeDnsQuery(7, { name: 'shop.default.svc.cluster.local', type: 1, class: 1 });
  const framed = Buffer.concat([Buffer.of(0, query.length), query]);
  const stream = connect({ port: bed.dns.port, host: '127.0.0.1', noDelay: true });
  for (const byte of framed) stream.write(Buffer.of(byte));
  stream.write(framed);
  let received = Buffer.alloc(0);
  const expected = 2 * (2 + query.length + 16);
  while (received.length < expected) received = Buffer.concat([received, (await once(stream, 'data'))[0]]);
  assert.equal(received.length, expected);
  stream.destroy();
});
