import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { test } from 'node:test';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import type { Endpoint } from '../endpoint.ts';
import type { ServedPort } from '../proxier.ts';
import type { PortState, ProxyState } from '../proxy-state.ts';
import { sampleEndpoint, samplePort, samplePortState } from '../sample-ports.ts';
import type { ServicePort } from '../service-port.ts';
import { Balancer } from './balancer.ts';
import { loopbackAddressOf } from './loopback-address.ts';
import { UserspaceProxier } from './userspace-proxier.ts';

const loopbackRange = '127.97.0.0/16';

class State implements ProxyState {
  readonly ports = new Map<string, PortState[]>();
  readonly nodeAddresses = ['127.0.0.1'];
  readonly serviceCidrs = [];

  serve(port: Partial<ServicePort>, endpoints: readonly Endpoint[]): void {
    this.ports.set('default/web', [samplePortState(samplePort(port), endpoints)]);
  }

  serviceKeys() {
    return this.ports.keys();
  }

  portsOf(key: string) {
    return this.ports.get(key) ?? [];
  }
}

function createProxier(): UserspaceProxier {
  return new UserspaceProxier({ config: { nodeName: 'n', loopbackRange }, log: silentLogger, clock: systemClock });
}

/** Says its name to everybody and then repeats what it hears until the other end is done. */
async function listenAs(name: string) {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    socket.write(`${name};`);
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: sampleEndpoint('127.0.0.1', { port }),
    [Symbol.asyncDispose]: async () => void server.close(),
  };
}

/** What comes back for `text`; the client ends its side at once. */
async function ask({ listen: { address, port } }: ServedPort, text = ''): Promise<string> {
  const socket = connect({ host: address, port, allowHalfOpen: true });
  socket.end(text);
  let answer = '';
  for await (const chunk of socket) answer += chunk;
  return answer;
}

function onlyPort(proxier: UserspaceProxier): ServedPort {
  const [port, ...rest] = proxier.ports();
  assert.ok(port && rest.length === 0);
  return port;
}

test('a cluster address is served on the loopback address that stands for it', async () => {
  await using a = await listenAs('a');
  await using proxier = createProxier();
  const state = new State();
  state.serve({ port: 18_080 }, [a.endpoint]);
  await proxier.sync(state, 'anew');
  const served = onlyPort(proxier);
  assert.deepEqual(served.listen, { address: '127.97.0.10', port: 18_080 });
  assert.equal(served.mapped, false);
  assert.equal(await ask(served, 'hello'), 'a;hello', 'either side may end first');
});

test('a port that is taken is mapped to another one and shown', async () => {
  await using a = await listenAs('a');
  const taken = createServer().listen(18_081, '127.97.0.10');
  await once(taken, 'listening');
  await using proxier = createProxier();
  const state = new State();
  state.serve({ port: 18_081 }, [a.endpoint]);
  await proxier.sync(state, 'anew');
  const served = onlyPort(proxier);
  assert.equal(served.mapped, true);
  assert.notEqual(served.listen.port, 18_081);
  assert.equal(await ask(served), 'a;');
  taken.close();
});

test('all endpoints take their turn, and one that refuses is passed over', async () => {
  await using a = await listenAs('a');
  await using b = await listenAs('b');
  const dead = sampleEndpoint('127.0.0.1', { port: 1 });
  await using proxier = createProxier();
  const state = new State();
  state.serve({ port: 18_082 }, [a.endpoint, dead, b.endpoint]);
  await proxier.sync(state, 'anew');
  const answers = new Set<string>();
  for (let count = 0; count < 6; count++) answers.add(await ask(onlyPort(proxier)));
  assert.deepEqual([...answers].sort(), ['a;', 'b;']);
});

test('connections outlive the change of endpoints and the Service', async () => {
  await using a = await listenAs('a');
  await using b = await listenAs('b');
  await using proxier = createProxier();
  const state = new State();
  state.serve({ port: 18_083 }, [a.endpoint]);
  await proxier.sync(state, 'anew');
  const { listen } = onlyPort(proxier);
  const socket = connect(listen.port, listen.address);
  assert.equal(String((await once(socket, 'data'))[0]), 'a;');
  state.serve({ port: 18_083 }, [b.endpoint]);
  await proxier.sync(state, new Set(['default/web']));
  assert.equal(await ask(onlyPort(proxier)), 'b;');
  state.ports.clear();
  await proxier.sync(state, new Set(['default/web']));
  assert.deepEqual(proxier.ports(), []);
  const refused = connect(listen.port, listen.address);
  assert.equal((await once(refused, 'error'))[0].code, 'ECONNREFUSED');
  socket.write('still');
  assert.equal(String((await once(socket, 'data'))[0]), 'still');
  socket.destroy();
});

test('a port without endpoints refuses', async () => {
  await using proxier = createProxier();
  const state = new State();
  state.serve({ port: 18_084 }, []);
  await proxier.sync(state, 'anew');
  assert.deepEqual(proxier.ports(), []);
});

test('datagrams go to an endpoint and back, and to another one after a change', async () => {
  const open = async (name: string) => {
    const socket = createSocket('udp4');
    socket.on('message', (_, peer) => socket.send(name, peer.port, peer.address));
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return socket;
  };
  const [a, b] = [await open('a'), await open('b')];
  const endpoint = (socket: typeof a) => sampleEndpoint('127.0.0.1', { port: socket.address().port });
  await using proxier = createProxier();
  const state = new State();
  state.serve({ port: 18_085, protocol: 'udp' }, [endpoint(a)]);
  await proxier.sync(state, 'anew');
  const { listen } = onlyPort(proxier);
  const client = createSocket('udp4');
  const say = async () => {
    client.send('hello', listen.port, listen.address);
    return String((await once(client, 'message'))[0]);
  };
  assert.equal(await say(), 'a');
  state.serve({ port: 18_085, protocol: 'udp' }, [endpoint(b)]);
  await proxier.sync(state, new Set(['default/web']));
  assert.equal(await say(), 'b');
  for (const socket of [a, b, client]) socket.close();
});

test('a client with affinity keeps its endpoint until its time is over or the endpoint goes', () => {
  let nowMs = 0;
  const balancer = new Balancer(() => nowMs);
  const endpoints = ['10.0.0.1', '10.0.0.2', '10.0.0.3'].map((address) => sampleEndpoint(address));
  balancer.update(endpoints, 10);
  const first = balancer.choose('client');
  for (let count = 0; count < 5; count++) assert.equal(balancer.choose('client'), first);
  nowMs = 10_001;
  assert.notEqual(balancer.choose('client'), first, 'the turn has passed on');
  const present = balancer.choose('client');
  balancer.update(
    endpoints.filter((endpoint) => endpoint !== present),
    10,
  );
  assert.notEqual(balancer.choose('client'), present);
});

test('the loopback address of a cluster address is known beforehand', () => {
  assert.equal(loopbackAddressOf('10.96.0.1'), '127.96.0.1');
  assert.equal(loopbackAddressOf('10.96.3.7', '127.80.5.0/24'), '127.80.5.7');
  assert.equal(loopbackAddressOf('10.96.3.0', '127.80.5.0/24'), '127.80.5.1');
  assert.throws(() => loopbackAddressOf('10.96.0.1', '10.0.0.0/16'), { name: 'ConfigError' });
});
