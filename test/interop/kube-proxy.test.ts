import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { type KubeProxy, runKubeProxy } from '../../src/kube-proxy/run-kube-proxy.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { createCluster } from '../../src/testing/create-cluster.ts';
import type { AgentAnswer } from './kube-proxy/agent.ts';
import { type BedOwner, createNetworkBed, type Host, missingBed, type NetworkBed } from './kube-proxy/network-bed.ts';
import { ServiceObjects } from './kube-proxy/service-objects.ts';

/** Rules are asked until they answer so: the proxy is told of changes by its own watches. */
async function until(ask: () => Promise<AgentAnswer>, expected: Partial<AgentAnswer>): Promise<void> {
  let answer: AgentAnswer = {};
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; ) {
    answer = await ask();
    const fields = Object.entries(expected);
    if (fields.every(([name, value]) => answer[name as keyof AgentAnswer] === value)) return;
    await wait(20);
  }
  assert.deepEqual(answer, expected);
}

async function answers(count: number, ask: () => Promise<AgentAnswer>): Promise<(string | undefined)[]> {
  const all: (string | undefined)[] = [];
  for (let index = 0; index < count; index++) all.push((await ask()).name);
  return all;
}

interface Scene extends AsyncDisposable {
  readonly bed: NetworkBed;
  readonly objects: ServiceObjects;
  readonly a: Host;
  readonly b: Host;
  readonly outside: Host;
  run(): Promise<KubeProxy>;
}

/** A cluster, a node with two pods that listen, and somebody outside. */
async function createScene(owner: BedOwner): Promise<Scene> {
  await using parts = new AsyncDisposableStack();
  const cluster = parts.use(await createCluster({ controllers: false }));
  const bed = parts.use(await createNetworkBed(owner));
  const [a, b, outside] = [await bed.addPod('a'), await bed.addPod('b'), await bed.addOutsider()];
  for (const [name, pod] of [['a', a] as const, ['b', b] as const]) {
    await pod.listen(8080, { name });
    await pod.listen(5300, { name, protocol: 'udp' });
  }
  const config = {
    nodeName: 'n',
    nodeAddresses: [bed.node.address],
    commandPrefix: bed.prefix,
    localDetector: { kind: 'cidrs', cidrs: ['10.244.0.0/16', 'fd00:244::/64'] },
    serviceCidrs: ['10.96.0.0/12'],
    syncIntervalMs: 200,
    healthz: { host: '127.0.0.1', port: 0 },
    metricsAddress: { host: '127.0.0.1', port: 0 },
  } as const;
  const owned = parts.move();
  return {
    bed,
    objects: new ServiceObjects(cluster.client),
    a,
    b,
    outside,
    run: () => runKubeProxy(config, { client: cluster.client, log: silentLogger }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

for (const owner of ['root', 'nobody'] as const) {
  const options = { skip: missingBed(owner), timeout: 60_000 };

  test(
    `rules of ${owner}: cluster addresses reach endpoints, refuse what nobody serves, and follow changes`,
    options,
    async () => {
      await using scene = await createScene(owner);
      const { bed, objects, a, b } = scene;
      const web = await objects.create('web');
      const nobody = await objects.create('nobody');
      await objects.serve('web', [{ addresses: [a.address], nodeName: 'n' }]);
      await using proxy = await scene.run();
      await proxy.synced;
      assert.equal(proxy.mode, 'nftables');
      const vip = web.spec?.clusterIP ?? '';
      assert.equal((await bed.node.ask(vip, 80)).name, 'a');
      assert.deepEqual(await b.ask(vip, 80), { name: 'a', seen: b.address }, 'a pod is seen as itself');
      assert.equal((await a.ask(vip, 80)).name, 'a', 'a pod reaches itself');
      assert.equal((await b.ask(vip, 81)).error, 'ECONNREFUSED', 'a port that the Service has not');
      assert.equal((await b.ask(nobody.spec?.clusterIP ?? '', 80)).error, 'ECONNREFUSED', 'no endpoints');
      assert.equal((await b.ask('10.97.9.9', 80)).error, 'timeout', 'an address of no Service');

      await objects.serve('web', [
        { addresses: [b.address] },
        { addresses: [a.address], conditions: { ready: false } },
      ]);
      await until(() => bed.node.ask(vip, 80), { name: 'b' });
      await objects.serve('web', [{ addresses: [a.address] }, { addresses: [b.address] }]);
      await until(() => bed.node.ask(vip, 80), { name: 'a' });
      assert.deepEqual([...new Set(await answers(20, () => bed.node.ask(vip, 80)))].sort(), ['a', 'b']);
      const ending = { ready: false, serving: true, terminating: true };
      await objects.serve('web', [{ addresses: [a.address], conditions: ending }]);
      await wait(100);
      await until(() => bed.node.ask(vip, 80), { name: 'a' });
      await objects.delete('web');
      await until(() => b.ask(vip, 80), { error: 'timeout' });
    },
  );

  test(`rules of ${owner}: a client with affinity keeps its endpoint`, options, async () => {
    await using scene = await createScene(owner);
    const { objects, a, b, bed } = scene;
    const sticky = await objects.create('sticky', {
      ports: [{ port: 80 }],
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 600 } },
    });
    await objects.serve('sticky', [{ addresses: [a.address] }, { addresses: [b.address] }]);
    const vip = sticky.spec?.clusterIP ?? '';
    const first: (string | undefined)[] = [];
    for (let start = 0; start < 2; start++) {
      await using proxy = await scene.run();
      await proxy.synced;
      first.push(...(await answers(10, () => bed.node.ask(vip, 80))));
    }
    assert.equal(new Set(first).size, 1, 'also after a new start');
    await using proxy = await scene.run();
    await proxy.synced;
    const other = first[0] === 'a' ? b : a;
    await objects.serve('sticky', [{ addresses: [other.address] }]);
    await until(() => bed.node.ask(vip, 80), { name: other === a ? 'a' : 'b' });
  });
}

const rooted = { skip: missingBed('root'), timeout: 60_000 };

test('node ports answer those outside, by policy with their own address or the node’s', rooted, async () => {
  await using scene = await createScene('root');
  const { objects, a, bed, outside } = scene;
  await objects.create('open', { type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] });
  await objects.create('near', {
    type: 'NodePort',
    externalTrafficPolicy: 'Local',
    ports: [{ port: 80, nodePort: 30081 }],
  });
  await objects.create('far', {
    type: 'NodePort',
    externalTrafficPolicy: 'Local',
    ports: [{ port: 80, nodePort: 30082 }],
  });
  await objects.create('empty', { type: 'NodePort', ports: [{ port: 80, nodePort: 30083 }] });
  await objects.serve('open', [{ addresses: [a.address], nodeName: 'n' }]);
  await objects.serve('near', [{ addresses: [a.address], nodeName: 'n' }]);
  await objects.serve('far', [{ addresses: [a.address], nodeName: 'another' }]);
  await using proxy = await scene.run();
  await proxy.synced;
  const node = bed.node.address;
  assert.deepEqual(await outside.ask(node, 30080), { name: 'a', seen: '10.244.0.1' });
  assert.deepEqual(await outside.ask(node, 30081), { name: 'a', seen: outside.address });
  assert.equal((await outside.ask(node, 30082)).error, 'timeout', 'a balancer may have another node for it');
  assert.equal((await bed.node.ask(node, 30082)).name, 'a', 'the node itself is inside of the cluster');
  assert.equal((await outside.ask(node, 30083)).error, 'ECONNREFUSED');
  assert.equal((await bed.node.ask('127.0.0.1', 30080)).error, 'ECONNREFUSED', 'never on loopback');
});

test('load balancer addresses take only the sources that the Service allows', rooted, async () => {
  await using scene = await createScene('root');
  const { objects, a, outside, bed } = scene;
  await objects.create('open', { externalIPs: ['192.168.50.1'] });
  await objects.create('closed', { externalIPs: ['192.168.50.2'], internalTrafficPolicy: 'Local' });
  await objects.serve('open', [{ addresses: [a.address], nodeName: 'n' }]);
  await objects.serve('closed', [{ addresses: [a.address], nodeName: 'elsewhere' }]);
  await using proxy = await scene.run();
  await proxy.synced;
  assert.equal((await outside.ask('192.168.50.1', 80)).name, 'a');
  assert.equal((await outside.ask('192.168.50.2', 80)).name, 'a', 'external traffic has a policy of its own');
  const closed = await objects.get('closed');
  assert.equal((await bed.node.ask(closed.spec?.clusterIP ?? '', 80)).error, 'timeout');
});

test('a UDP client with one port is led to the endpoint that serves now', rooted, async () => {
  await using scene = await createScene('root');
  const { objects, a, b } = scene;
  const dns = await objects.create('dns', { ports: [{ port: 53, protocol: 'UDP' }] });
  await objects.serve('dns', [{ addresses: [a.address] }], { port: 5300, protocol: 'UDP' });
  await using proxy = await scene.run();
  await proxy.synced;
  const vip = dns.spec?.clusterIP ?? '';
  const ask = () => b.ask(vip, 53, { protocol: 'udp', fromPort: 40_053 });
  assert.equal((await ask()).name, 'a');
  await objects.serve('dns', [{ addresses: [b.address] }], { port: 5300, protocol: 'UDP' });
  await until(ask, { name: 'b' });
});

test('connections live on while the proxy stops, starts again and finds other endpoints', rooted, async () => {
  await using scene = await createScene('root');
  const { objects, a, b, bed } = scene;
  const web = await objects.create('web');
  await objects.serve('web', [{ addresses: [a.address] }]);
  {
    await using proxy = await scene.run();
    await proxy.synced;
    assert.equal((await bed.node.do({ kind: 'open', host: web.spec?.clusterIP ?? '', port: 80 })).name, 'a');
  }
  assert.equal((await bed.node.do({ kind: 'echo', text: 'without' })).text, 'without');
  await objects.serve('web', [{ addresses: [b.address] }]);
  await using proxy = await scene.run();
  await proxy.synced;
  assert.equal((await bed.node.do({ kind: 'echo', text: 'again' })).text, 'again');
});

test('rules that somebody took away come back', rooted, async () => {
  await using scene = await createScene('root');
  const { objects, a, bed } = scene;
  const web = await objects.create('web');
  await objects.serve('web', [{ addresses: [a.address] }]);
  await using proxy = await scene.run();
  await proxy.synced;
  const vip = web.spec?.clusterIP ?? '';
  for (const [verb, ...what] of [
    ['delete', 'table'],
    ['flush', 'chain'],
  ] as const) {
    bed.run('nft', verb, ...what, 'ip', 'kube-proxy', ...(verb === 'flush' ? ['services'] : []));
    await until(() => bed.node.ask(vip, 80), { name: 'a' });
  }
});

test('health, mode and metrics are told as upstream tells them', rooted, async () => {
  await using scene = await createScene('root');
  await using proxy = await scene.run();
  await proxy.synced;
  await proxy.settled();
  const healthz = await fetch(`http://127.0.0.1:${proxy.healthz?.port}/healthz`);
  assert.equal(healthz.status, 200);
  const { healthy, nodeEligible } = (await healthz.json()) as Record<string, unknown>;
  assert.deepEqual({ healthy, nodeEligible }, { healthy: true, nodeEligible: true });
  const base = `http://127.0.0.1:${proxy.metricsAddress?.port}`;
  assert.equal(await (await fetch(`${base}/proxyMode`)).text(), 'nftables');
  const metrics = await (await fetch(`${base}/metrics`)).text();
  assert.match(metrics, /^kubeproxy_sync_full_proxy_rules_duration_seconds_count [1-9]/m);
  assert.match(metrics, /^kubeproxy_proxy_healthz_total\{code="200"\} 1$/m);
});
