import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Area } from './harness/area.ts';
import { Connection } from './harness/connection.ts';
import { type LoadFigure, median, medianOf, runLoad } from './harness/load.ts';
import { digits, type Row, verdictOf } from './harness/table.ts';
import { startBareProxy, type Target } from './harness/target.ts';

/** In the range of nodes on the host's network, so that the rules for addresses let it through. */
const podAddress = '127.77.7.7';
const callers = 32;
const servicePath = '/api/v1/namespaces/default/services/bench:http/proxy';

/** Requests and bytes through `services/proxy`, beside a reverse proxy of bare Node in front of the same server. */
export const proxyArea: Area = {
  name: 'proxy',
  async run(servers) {
    const { durationMs, rounds, quick } = servers;
    await using backend = await startBackend();
    await using bare = await startBareProxy(`${podAddress}:${backend.port}`);
    const ours = await servers.get('ours');
    await createService(ours, backend.port);
    const loads: Record<'ours' | 'bare', LoadFigure[]> = { ours: [], bare: [] };
    const rates: Record<'ours' | 'bare', number[]> = { ours: [], bare: [] };
    const bytes = (quick ? 64 : 256) * 2 ** 20;
    const sides = [
      ['ours', ours, servicePath],
      ['bare', bare, ''],
    ] as const;
    for (let round = 0; round < rounds; round++) {
      for (const [name, target, prefix] of sides) {
        const call = (connection: Connection) => connection.call({ path: `${prefix}/small` });
        loads[name].push(await runLoad(target, call, { callers, durationMs }));
        rates[name].push(await transfer(target, `${prefix}/large`, bytes));
      }
    }
    const [requests, ceiling] = [medianOf(loads.ours), medianOf(loads.bare)];
    return [
      row('service proxy, requests of 1 kB', {
        ours: `${digits(requests.perSecond)}/s, ${digits(requests.cpuMs)} ms CPU, p99 ${digits(requests.p99Ms)}`,
        ceiling: `bare proxy: ${digits(ceiling.perSecond)}/s, ${digits(ceiling.cpuMs)} ms CPU`,
        ratio: requests.perSecond / ceiling.perSecond,
        target: 0.5,
      }),
      row('service proxy, bytes', {
        ours: `${digits(median(rates.ours))} MB/s`,
        ceiling: `bare proxy: ${digits(median(rates.bare))} MB/s`,
        ratio: median(rates.ours) / median(rates.bare),
        target: 0.6,
      }),
    ];
  },
};

function row(figure: string, figures: { ours: string; ceiling: string; ratio: number; target: number }): Row {
  const { ours, ceiling, ratio, target } = figures;
  const met = verdictOf(ratio >= target);
  return { figure, ours, ceiling, ratio: `${digits(ratio)} × ceiling`, target: `≥ ${target} × ceiling`, verdict: met };
}

/** MB/s of one answer. */
async function transfer(target: Target, path: string, bytes: number): Promise<number> {
  await using connection = await Connection.open(target.kubeconfig);
  const started = performance.now();
  let received = 0;
  for await (const chunk of connection.stream({ path: `${path}?bytes=${bytes}` }) as AsyncIterable<Buffer>) {
    received += chunk.length;
  }
  if (received !== bytes) throw new Error(`${path} gave ${received} of ${bytes} bytes`);
  return bytes / 1e6 / ((performance.now() - started) / 1000);
}

async function startBackend(): Promise<AsyncDisposable & { readonly port: number }> {
  const child = fork(join(import.meta.dirname, 'harness/proxy-backend-process.ts'), [podAddress]);
  const [port] = await once(child, 'message');
  return {
    port: Number(port),
    [Symbol.asyncDispose]: async () => {
      const ended = once(child, 'exit');
      child.disconnect();
      await ended;
    },
  };
}

/** A node, a pod on it and a Service in front, as controllers and a kubelet would have them written. */
async function createService(target: Target, port: number): Promise<void> {
  await using connection = await Connection.open(target.kubeconfig);
  const send = (method: 'POST' | 'PUT', path: string, body: object) =>
    connection.json({ method, path, body: JSON.stringify(body), headers: { 'content-type': 'application/json' } });
  const podRange = '127.77.7.0/24';
  await send('POST', '/api/v1/nodes', {
    metadata: { name: 'proxied' },
    spec: { podCIDR: podRange, podCIDRs: [podRange] },
  });
  const account = { metadata: { name: 'default' } };
  await send('POST', '/api/v1/namespaces/default/serviceaccounts', account).catch(() => {}); // another area made it
  const pods = '/api/v1/namespaces/default/pods';
  const pod = await send('POST', pods, {
    metadata: { name: 'bench' },
    spec: { nodeName: 'proxied', automountServiceAccountToken: false, containers: [{ name: 'c', image: 'i' }] },
  });
  const status = { phase: 'Running', podIP: podAddress, podIPs: [{ ip: podAddress }] };
  await send('PUT', `${pods}/bench/status`, { ...(pod as object), status });
  const ports = [{ name: 'http', port: 80, targetPort: port }];
  await send('POST', '/api/v1/namespaces/default/services', { metadata: { name: 'bench' }, spec: { ports } });
  await send('POST', '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', {
    metadata: { name: 'bench', labels: { 'kubernetes.io/service-name': 'bench' } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port, protocol: 'TCP' }],
    endpoints: [
      {
        addresses: [podAddress],
        conditions: { ready: true },
        targetRef: { kind: 'Pod', namespace: 'default', name: 'bench' },
      },
    ],
  });
}
