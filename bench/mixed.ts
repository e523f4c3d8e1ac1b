import type { Area } from './harness/area.ts';
import { Connection } from './harness/connection.ts';
import { type Operation, runLoad } from './harness/load.ts';
import { configMap, ensurePods, json, podName } from './harness/objects.ts';
import { limitRow, rateRow } from './harness/table.ts';
import { patchStatus } from './writes.ts';

const namespace = 'bench-mixed';
const base = `/api/v1/namespaces/${namespace}`;
const pods = 50;
const watchers = 50;
const callers = 16;

/** 70 % GET, 15 % LIST of 50 pods, 10 % status patch, 5 % create and delete in turn, with 50 watchers that get every change. */
export const mixedArea: Area = {
  name: 'mixed',
  async run(servers) {
    await servers.each((connection) => ensurePods(connection, namespace, pods));
    const compared = await servers.compare(
      async (target) => {
        await using connection = await Connection.open(target.kubeconfig);
        let events = 0;
        const opened = Array.from({ length: watchers }, () => {
          const stream = connection.stream({ path: `${base}/pods?watch=1&resourceVersion=0` });
          stream.on('data', (chunk: Buffer) => {
            events += chunk.length;
          });
          return new Promise((resolve, reject) => {
            stream.once('response', resolve);
            stream.once('error', reject);
          });
        });
        await Promise.all(opened);
        const figure = await runLoad(target, mixed(), { callers, durationMs: servers.durationMs * 2 });
        if (events === 0) throw new Error('The watchers got nothing');
        return figure;
      },
      { bare: false },
    );
    const { ours, upstream } = compared;
    return [
      rateRow('mixed load, 16 callers, 50 watchers', compared, { rate: 2, cpuShare: 4 }),
      limitRow('memory after the load so far, API server and store', {
        value: ours.rssMb,
        unit: 'MB',
        ...(upstream && { upstream: upstream.rssMb }),
      }),
    ];
  },
};

function mixed(): Operation {
  const pending: string[] = [];
  let sequence = 0;
  return (connection, { id, round }) => {
    const turn = (round * callers + id) * 7;
    const pod = `${base}/pods/${podName(turn % pods)}`;
    const share = turn % 20;
    if (share < 14) return connection.call({ path: pod });
    if (share < 17) return connection.call({ path: `${base}/pods` });
    // One pod for each caller, so that patches do not meet.
    if (share < 19) return patchStatus(connection, `${base}/pods/${podName(id)}/status`);
    const created = pending.pop();
    if (created !== undefined) return connection.call({ method: 'DELETE', path: `${base}/configmaps/${created}` });
    const name = `mixed-${process.pid}-${performance.now().toFixed(3)}-${sequence++}`;
    return connection
      .call({ method: 'POST', path: `${base}/configmaps`, headers: json, body: configMap(name) })
      .then(() => pending.push(name));
  };
}
