import type { Pod } from '../src/api/kubernetes/core-v1.ts';
import type { Area, ServerName, Servers } from './harness/area.ts';
import type { Connection } from './harness/connection.ts';
import { type Caller, type Operation, runLoad } from './harness/load.ts';
import { configMap, ensurePods, json, pod, podName } from './harness/objects.ts';
import { type Row, rateRow } from './harness/table.ts';

const namespace = 'bench-writes';
const pods = `/api/v1/namespaces/${namespace}/pods`;
const configMaps = `/api/v1/namespaces/${namespace}/configmaps`;
const callers = 16;

const createTarget = { rate: 2, cpuShare: 3 };
const changeTarget = { rate: 2, cpuShare: 4 };

/** Durable writes from 16 callers; the ceiling is `node:http2` right before the storage engine, with bodies of the same size. */
export const writesArea: Area = {
  name: 'writes',
  async run(servers) {
    // Each caller changes a pod of its own: conflicts are not what is measured.
    await servers.each((connection) => ensurePods(connection, namespace, callers));
    const rows: Row[] = [];
    for (const { figure, operation, target, bytes } of figures) {
      const body = Buffer.alloc(bytes, 'x');
      const bare: Operation = (connection) => connection.call({ method: 'POST', path: '/store', body });
      const compared = await servers.compare(
        (server, name) => {
          const options = { callers, durationMs: servers.durationMs };
          return runLoad(server, name === 'bare' ? bare : operation, options);
        },
        { bare: true },
      );
      rows.push(rateRow(figure, compared, target));
    }
    rows.push(await deleteRow(servers));
    return rows;
  },
};

interface WriteFigure {
  readonly figure: string;
  readonly operation: Operation;
  readonly target: { rate: number; cpuShare: number };
  /** Written by the ceiling. */
  readonly bytes: number;
}

const figures: readonly WriteFigure[] = [
  { figure: 'CREATE ConfigMap, 16 callers', operation: createConfigMap, target: createTarget, bytes: 1000 },
  { figure: 'CREATE Pod, 16 callers', operation: createPod, target: createTarget, bytes: 4096 },
  { figure: 'UPDATE Pod (GET and PUT), 16 callers', operation: updatePod, target: changeTarget, bytes: 4096 },
  { figure: 'merge patch of a Pod, 16 callers', operation: patchPod, target: changeTarget, bytes: 4096 },
  { figure: 'status patch of a Pod, 16 callers', operation: patchPodStatus, target: changeTarget, bytes: 4096 },
];

/** Names are never used twice in a run. */
let sequence = 0;

function createConfigMap(connection: Connection): Promise<unknown> {
  const body = configMap(`c-${process.pid}-${sequence++}`);
  return connection.call({ method: 'POST', path: configMaps, headers: json, body });
}

function createPod(connection: Connection): Promise<unknown> {
  const body = pod(`p-${process.pid}-${sequence++}`);
  return connection.call({ method: 'POST', path: pods, headers: json, body });
}

async function updatePod(connection: Connection, { id, round }: Caller): Promise<unknown> {
  const path = `${pods}/${podName(id)}`;
  const object = await connection.json<Pod>({ path });
  Object.assign(object.metadata?.annotations ?? {}, { round: String(round), run: String(sequence++) });
  return connection.call({ method: 'PUT', path, headers: json, body: JSON.stringify(object) });
}

function patchPod(connection: Connection, { id }: Caller): Promise<unknown> {
  const headers = { 'content-type': 'application/merge-patch+json' };
  const body = JSON.stringify({ metadata: { annotations: { patch: String(sequence++) } } });
  return connection.call({ method: 'PATCH', path: `${pods}/${podName(id)}`, headers, body });
}

/** As a kubelet does. */
export function patchPodStatus(connection: Connection, { id }: Caller): Promise<unknown> {
  return patchStatus(connection, `${pods}/${podName(id)}/status`);
}

export function patchStatus(connection: Connection, path: string): Promise<unknown> {
  const headers = { 'content-type': 'application/strategic-merge-patch+json' };
  const conditions = [{ type: 'Ready', status: 'False', message: `patch ${sequence++}` }];
  return connection.call({ method: 'PATCH', path, headers, body: JSON.stringify({ status: { conditions } }) });
}

/** The objects are made before each round and do not count. */
async function deleteRow(servers: Servers): Promise<Row> {
  const count = servers.quick ? 800 : 2500;
  const compared = await servers.compare(
    async (target, _name: ServerName) => {
      const names = Array.from({ length: count }, () => `d-${process.pid}-${sequence++}`);
      let created = 0;
      const create: Operation = async (connection) => {
        const name = names[created++];
        if (name === undefined) return false;
        return connection.call({ method: 'POST', path: configMaps, headers: json, body: configMap(name) });
      };
      await runLoad(target, create, { callers, durationMs: 30_000 });
      let deleted = 0;
      const remove: Operation = async (connection) => {
        const name = names[deleted++];
        if (name === undefined) return false;
        return connection.call({ method: 'DELETE', path: `${configMaps}/${name}` });
      };
      return runLoad(target, remove, { callers, durationMs: 30_000, warmUpMs: 100 });
    },
    { bare: false },
  );
  return rateRow('DELETE ConfigMap, 16 callers', compared, changeTarget);
}
