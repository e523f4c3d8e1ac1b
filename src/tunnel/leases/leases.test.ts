import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Lease } from '../../api/kubernetes/coordination-v1.ts';
import { leases } from '../../client/resources.ts';
import { type Clock, formatMicroTime } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { Metrics } from '../../lib/metrics.ts';
import { createCluster, type TestCluster } from '../../testing/create-cluster.ts';
import { until } from '../tunnel-suite.ts';
import { LeaseController } from './lease-controller.ts';
import { LeaseCounter, serverCount } from './lease-counter.ts';
import { isLeaseValid, parseServerAddress } from './lease-validity.ts';
import { watchLeases } from './watch-leases.ts';

const nowMs = Date.parse('2026-01-01T00:00:00Z');
const labels = { 'k8s-app': 'konnectivity-server' };

function lease(name: string, { ageMs = 0, address }: { ageMs?: number; address?: string } = {}, atMs = nowMs): Lease {
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: {
      name,
      namespace: 'kube-system',
      labels,
      ...(address && { annotations: { 'fairlead.dev/agent-address': address } }),
    },
    spec: { holderIdentity: name, leaseDurationSeconds: 30, renewTime: formatMicroTime(atMs - ageMs) },
  };
}

test('a lease is valid by its renewal, else by when it was taken, and never without a time', () => {
  const { spec } = lease('a');
  assert.equal(isLeaseValid(lease('a', { ageMs: 29_999 }), nowMs), true);
  assert.equal(isLeaseValid(lease('a', { ageMs: 30_000 }), nowMs), false);
  const taken = { ...spec, renewTime: undefined, acquireTime: formatMicroTime(nowMs - 1000) };
  assert.equal(isLeaseValid({ spec: taken } as Lease, nowMs), true);
  assert.equal(isLeaseValid({ spec: { leaseDurationSeconds: 30 } }, nowMs), false);
  assert.equal(isLeaseValid({}, nowMs), false);
});

test('addresses are host:port with IPv6 in brackets, and nothing else', () => {
  assert.deepEqual(parseServerAddress('10.0.0.1:8091'), { host: '10.0.0.1', port: 8091 });
  assert.deepEqual(parseServerAddress('[fd00::1]:8091'), { host: 'fd00::1', port: 8091 });
  assert.deepEqual(parseServerAddress('server', 8091), { host: 'server', port: 8091 });
  for (const text of ['', 'server', 'fd00::1:8091', 'a b:1', 'a:0', 'a:70000', 'a:1/x']) {
    assert.equal(parseServerAddress(text), undefined);
  }
});

/** TestAggregateServerCounter and TestResponseBasedCounter of upstream. */
const counts: readonly (readonly ['default' | 'max', number, number | undefined, number])[] = [
  ['default', 3, undefined, 3],
  ['default', 0, undefined, 1],
  ['default', 3, 2, 2],
  ['default', 3, 0, 1],
  ['max', 3, 2, 3],
  ['max', 2, 5, 5],
  ['max', 0, 0, 1],
  ['max', 4, undefined, 4],
];

test('the number of servers comes from leases, from what servers say, or from the larger, and is never 0', () => {
  for (const [source, announced, leased, expected] of counts) {
    assert.equal(serverCount(source, { announced, leased }), expected);
  }
});

test('only valid leases count, else one server, and addresses are given once each', () => {
  let present: Lease[] = [];
  const counter = new LeaseCounter({
    list: () => present,
    log: silentLogger,
    clock: { now: () => nowMs, delay: async () => {} },
  });
  assert.equal(counter.count(), 1);
  present = [
    lease('a', { address: '10.0.0.1:8091' }),
    lease('b', { address: '10.0.0.2:8091' }),
    lease('c', { ageMs: 31_000 }),
  ];
  assert.equal(counter.count(), 2);
  present.push(lease('d', { address: '10.0.0.2:8091' }), lease('e', { address: 'nonsense' }));
  assert.deepEqual(counter.addresses(), [
    { host: '10.0.0.1', port: 8091 },
    { host: '10.0.0.2', port: 8091 },
  ]);
  present = [];
  assert.equal(counter.count(), 1);
});

test('while leases cannot be read the last good count and addresses hold', () => {
  let broken = true;
  const list = () => {
    if (broken) throw new Error('no connection');
    return [lease('a', { address: '10.0.0.1:8091' }), lease('b')];
  };
  const counter = new LeaseCounter({ list, log: silentLogger, clock: { now: () => nowMs, delay: async () => {} } });
  assert.equal(counter.count(), 1);
  broken = false;
  assert.equal(counter.count(), 2);
  broken = true;
  assert.equal(counter.count(), 2);
  assert.equal(counter.addresses().length, 1);
});

/** Waits end when the test says so. */
class SteppedClock implements Clock {
  #nowMs = Date.now();
  readonly #waiting = new Set<() => void>();

  now(): number {
    return this.#nowMs;
  }

  delay(_ms: number, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(signal?.reason);
      if (signal?.aborted) return onAbort();
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.add(() => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      });
    });
  }

  advance(ms: number): void {
    this.#nowMs += ms;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
  }
}

describe('the lease of a server in an API server', () => {
  let cluster: TestCluster;
  before(async () => {
    cluster = await createCluster({ controllers: false });
  });
  after(() => cluster[Symbol.asyncDispose]());

  const list = () =>
    cluster.client.list<Lease>(leases, { namespace: 'kube-system', labelSelector: 'k8s-app=konnectivity-server' });
  const names = async () => (await list()).items.map(({ metadata }) => metadata?.name).sort();

  function startController(serverId: string, clock: Clock, metrics = new Metrics()): LeaseController {
    const { client } = cluster;
    const place = { namespace: 'kube-system', labels, agentAddress: '10.0.0.1:8091' };
    return new LeaseController({ client, serverId, ...place, metrics, log: silentLogger, clock });
  }

  test('it is made with upstream’s name, labels and times, renewed, and deleted at the end', async () => {
    const clock = new SteppedClock();
    const controller = startController('one', clock);
    await until(async () => (await names()).includes('konnectivity-proxy-server-one'));
    const [made] = (await list()).items;
    assert.equal(made?.spec?.holderIdentity, 'one');
    assert.equal(made?.spec?.leaseDurationSeconds, 30);
    assert.equal(made?.spec?.acquireTime, undefined);
    assert.equal(made?.metadata?.annotations?.['fairlead.dev/agent-address'], '10.0.0.1:8091');
    clock.advance(15_000);
    await until(async () => {
      const [renewed] = (await list()).items;
      return renewed?.spec?.renewTime === formatMicroTime(clock.now());
    });
    await controller.release();
    assert.deepEqual(await names(), []);
  });

  test('somebody else’s change is taken over, and a lease that was deleted is made again', async () => {
    const clock = new SteppedClock();
    await using _controller = startController('two', clock);
    await until(async () => (await names()).length === 1);
    const [made] = (await list()).items;
    await cluster.client.update<Lease>(leases, {
      ...made,
      metadata: { ...made?.metadata, annotations: { ...made?.metadata?.annotations, note: 'kept' } },
    });
    clock.advance(15_000);
    await until(async () => {
      const [renewed] = (await list()).items;
      return renewed?.spec?.renewTime === formatMicroTime(clock.now());
    });
    assert.equal((await list()).items[0]?.metadata?.annotations?.['note'], 'kept');
    await cluster.client.delete(leases, { namespace: 'kube-system', name: 'konnectivity-proxy-server-two' });
    clock.advance(15_000);
    await until(async () => (await names()).length === 1);
  });

  test('expired leases with its labels are deleted and counted, others are left', async () => {
    const clock = new SteppedClock();
    const metrics = new Metrics();
    const { client } = cluster;
    await client.create(leases, lease('gone', { ageMs: 31_000 }, clock.now()));
    await client.create(leases, lease('alive', {}, clock.now() + 20_000));
    const other = lease('other', { ageMs: 31_000 }, clock.now());
    await client.create(leases, { ...other, metadata: { ...other.metadata, labels: {} } });
    const controller = startController('three', clock, metrics);
    await until(async () => (await names()).length === 3);
    clock.advance(15_000);
    await until(async () => !(await names()).includes('gone'));
    await controller.release();
    assert.deepEqual(await names(), ['alive']);
    const text = await metrics.render();
    assert.match(text, /server_culled_leases_count 1/);
    assert.match(text, /server_lease_list_total\{http_status_code="200",reason=""\} 1/);
    assert.match(text, /server_lease_delete_total\{http_status_code="200",reason=""\} 2/);
    await client.delete(leases, { namespace: 'kube-system', name: 'alive' });
    await client.delete(leases, { namespace: 'kube-system', name: 'other' });
  });

  test('an agent counts leases by a selector and hears of their changes', async () => {
    const metrics = new Metrics();
    const { client } = cluster;
    const selector = 'k8s-app in (konnectivity-server)';
    await using watched = watchLeases({ client, namespace: 'kube-system', selector, metrics, log: silentLogger });
    await watched.synced;
    assert.equal(watched.counter.count(), 1);
    let changes = 0;
    watched.subscribe(() => changes++);
    for (const name of ['x', 'y']) await client.create(leases, lease(name, { address: `${name}:8091` }, Date.now()));
    await until(() => watched.counter.count() === 2);
    assert.ok(changes >= 2);
    assert.deepEqual(
      watched.counter.addresses().map(({ host }) => host),
      ['x', 'y'],
    );
    for (const name of ['x', 'y']) await client.delete(leases, { namespace: 'kube-system', name });
    await until(() => watched.counter.count() === 1);
    assert.match(await metrics.render(), /agent_lease_(lists|watches)_total\{http_response_code="200",reason=""\} 1/);
  });
});
