/**
 * `npm run bench [-- --quick] [area …]`: one table of what the API server does, each figure beside its ceiling on this machine and beside
 * upstream's kube-apiserver with etcd where `npm run peers` has built it. Missed targets are said in the table and are no failure.
 */
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { missingControlPlane } from '../test/interop/upstream-control-plane.ts';
import { clusterArea } from './cluster.ts';
import { type Area, Servers } from './harness/area.ts';
import { formatHead, formatRow } from './harness/table.ts';
import { kubeProxyArea } from './kube-proxy.ts';
import { kubectlArea } from './kubectl.ts';
import { memoryArea } from './memory.ts';
import { mixedArea } from './mixed.ts';
import { proxyArea } from './proxy.ts';
import { readsArea } from './reads.ts';
import { startArea } from './start.ts';
import { storageArea } from './storage-area.ts';
import { streamsArea } from './streams.ts';
import { tunnelArea } from './tunnel.ts';
import { watchArea } from './watch.ts';
import { writesArea } from './writes.ts';

const areas: readonly Area[] = [
  startArea,
  clusterArea,
  memoryArea,
  readsArea,
  watchArea,
  kubectlArea,
  writesArea,
  mixedArea,
  streamsArea,
  proxyArea,
  tunnelArea,
  storageArea,
  kubeProxyArea,
];

const { values, positionals } = parseArgs({ allowPositionals: true, options: { quick: { type: 'boolean' } } });
const unknown = positionals.filter((name) => !areas.some((area) => area.name === name));
if (unknown.length > 0) {
  console.error(`Unknown area ${unknown.join(', ')}. There are: ${areas.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}

const started = performance.now();
const upstreamMissing = missingControlPlane();
console.log(
  `${availableParallelism()} cores (${cpus()[0]?.model ?? 'unknown'}), Node ${process.version}, ${process.platform}`,
);
console.log(`upstream: ${upstreamMissing ?? 'kube-apiserver 1.36 and etcd 3.7, on the same cores'}\n`);

console.log(formatHead());
{
  await using servers = new Servers({ quick: values.quick ?? false, upstreamMissing });
  for (const area of areas) {
    if (positionals.length > 0 && !positionals.includes(area.name)) continue;
    try {
      for (const row of await area.run(servers)) console.log(formatRow(row));
    } catch (error) {
      console.error(error);
      console.log(formatRow({ figure: area.name, ours: `failed: ${String(error).split('\n')[0]?.slice(0, 120)}` }));
      process.exitCode = 1;
    }
  }
}
console.log(`\n${((performance.now() - started) / 1000).toFixed(0)} s`);
