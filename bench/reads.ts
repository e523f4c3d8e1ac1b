import type { Area, Servers } from './harness/area.ts';
import { type Call, Connection } from './harness/connection.ts';
import { runLoad } from './harness/load.ts';
import { ensurePods, podName } from './harness/objects.ts';
import { type Row, rateRow } from './harness/table.ts';

const namespace = 'bench-reads';
const pods = 1000;
const podsPath = `/api/v1/namespaces/${namespace}/pods`;

const lists: { figure: string; headers: Record<string, string> }[] = [
  { figure: 'LIST 1,000 pods, JSON', headers: { accept: 'application/json' } },
  { figure: 'LIST 1,000 pods, JSON, gzip', headers: { accept: 'application/json', 'accept-encoding': 'gzip' } },
  { figure: 'LIST 1,000 pods, protobuf', headers: { accept: 'application/vnd.kubernetes.protobuf' } },
];

/** GET and LIST of pods with 4 KB each; the ceiling is `node:http2` that gives the same bytes. */
export const readsArea: Area = {
  name: 'reads',
  async run(servers) {
    await servers.each((connection) => ensurePods(connection, namespace, pods));
    const rows: Row[] = [];
    for (const query of ['', '?resourceVersion=0']) {
      const compared = await compareReads(servers, {
        name: `pod${query}`,
        callers: 16,
        call: (index) => ({ path: `${podsPath}/${podName(index % pods)}${query}` }),
      });
      const figure = `GET 4 KB pod${query && ', resourceVersion=0'}, 16 callers`;
      rows.push(rateRow(figure, compared, { rate: 2, cpuShare: 5 }));
    }
    for (const { figure, headers } of lists) {
      const call = () => ({ path: `${podsPath}?resourceVersion=0`, headers });
      const compared = await compareReads(servers, { name: figure.replaceAll(/\W/g, ''), callers: 1, call });
      rows.push(rateRow(figure, compared, { rate: 1.5, cpuShare: 8 }));
    }
    return rows;
  },
};

interface Reads {
  readonly name: string;
  readonly callers: number;
  call(index: number): Call;
}

async function compareReads(servers: Servers, { name, callers, call }: Reads) {
  const replay = { path: `/replay/${name}` };
  await recordReply(servers, call(0), replay.path);
  return servers.compare(
    (target, server) =>
      runLoad(
        target,
        (connection, { id, round }) => connection.call(server === 'bare' ? replay : call(round * callers + id)),
        { callers, durationMs: servers.durationMs * (callers === 1 ? 2 : 1) },
      ),
    { bare: true },
  );
}

/** Gives the bare server our answer's bytes. */
async function recordReply(servers: Servers, call: Call, path: string): Promise<void> {
  await using ours = await Connection.open((await servers.get('ours')).kubeconfig);
  await using bare = await Connection.open((await servers.get('bare')).kubeconfig);
  const { body } = await ours.call(call);
  await bare.call({ method: 'PUT', path, body });
}
