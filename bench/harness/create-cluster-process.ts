/** Makes test clusters in one process: `fork(…, [sequential, together])`. Sends how long each took in order, and the memory with many alive. */
import { createCluster } from '../../src/testing/create-cluster.ts';

const [sequential = 0, together = 0] = process.argv.slice(2).map(Number);
const readyMs: number[] = [];
for (let index = 0; index < sequential; index++) {
  const started = performance.now();
  await using _cluster = await createCluster();
  readyMs.push(performance.now() - started);
}
await using clusters = new AsyncDisposableStack();
for (let index = 0; index < together; index++) clusters.use(await createCluster());
process.send?.({ readyMs, rssMb: process.memoryUsage.rss() / 2 ** 20 });
