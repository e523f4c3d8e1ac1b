import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject } from './object.ts';
import { sampleObject } from './sample-object.ts';
import { scheme } from './scheme.ts';
import { humanDuration } from './tables/duration.ts';
import { tableFor } from './tables.ts';

const now = Date.parse('2026-01-01T01:00:00Z');
const metadata = { name: 'web', creationTimestamp: '2026-01-01T00:00:00Z' };

function row(group: string, kind: string, object: object): Record<string, unknown> {
  const printer = tableFor({ group, kind });
  const { cells } = printer.row({ metadata, ...object }, now);
  assert.equal(cells.length, printer.columns.length);
  return Object.fromEntries(printer.columns.map(({ name }, index) => [name, cells[index]]));
}

test('ages are printed as upstream prints them', () => {
  const second = 1000;
  const hour = 3600 * second;
  const day = 24 * hour;
  const cases = [
    [-5 * second, '<invalid>'],
    [-second, '0s'],
    [0, '0s'],
    [119 * second, '119s'],
    [120 * second, '2m'],
    [125 * second, '2m5s'],
    [10 * 60 * second, '10m'],
    [179 * 60 * second, '179m'],
    [3 * hour, '3h'],
    [3 * hour + 60 * second, '3h1m'],
    [8 * hour, '8h'],
    [47 * hour, '47h'],
    [48 * hour, '2d'],
    [49 * hour, '2d1h'],
    [8 * day, '8d'],
    [729 * day, '729d'],
    [730 * day, '2y'],
    [731 * day, '2y1d'],
    [8 * 365 * day, '8y'],
  ] as const;
  for (const [ms, text] of cases) assert.equal(humanDuration(ms), text, `${ms}`);
});

const running = { state: { running: {} }, ready: true, restartCount: 0 };
const waiting = (reason: string) => ({ state: { waiting: { reason } }, restartCount: 0 });
const ended = (exitCode: number, rest: object = {}) => ({
  state: { terminated: { exitCode, ...rest } },
  restartCount: 0,
});

function podStatus(status: object, { spec = {}, meta = {} }: { spec?: object; meta?: object } = {}) {
  const containers = [{ name: 'c' }];
  const pod = { spec: { containers, ...spec }, status, metadata: { ...metadata, ...meta } };
  const cells = row('', 'Pod', pod);
  return [cells['Ready'], cells['Status'], cells['Restarts']];
}

test('the status of a pod is what hinders it most', () => {
  const init = { initContainers: [{ name: 'i' }, { name: 'j' }] };
  const sidecar = { initContainers: [{ name: 's', restartPolicy: 'Always' }] };
  const ready = [{ type: 'Ready', status: 'True' }];
  const run = { phase: 'Running' };
  assert.deepEqual(podStatus({ phase: 'Pending' }), ['0/1', 'Pending', '0']);
  assert.deepEqual(podStatus({ ...run, containerStatuses: [running] }), ['1/1', 'Running', '0']);
  assert.deepEqual(podStatus({ ...run, containerStatuses: [waiting('CrashLoopBackOff')] }), [
    '0/1',
    'CrashLoopBackOff',
    '0',
  ]);
  assert.deepEqual(podStatus({ ...run, containerStatuses: [ended(0, { reason: 'Completed' })] })[1], 'Completed');
  assert.deepEqual(podStatus({ ...run, containerStatuses: [ended(1, { signal: 9 })] })[1], 'Signal:9');
  assert.deepEqual(podStatus({ ...run, containerStatuses: [ended(3)] })[1], 'ExitCode:3');
  const half = [ended(0, { reason: 'Completed' }), running];
  assert.deepEqual(podStatus({ ...run, containerStatuses: half, conditions: ready })[1], 'Running');
  assert.deepEqual(podStatus({ ...run, containerStatuses: half })[1], 'NotReady');
  const start = { phase: 'Pending', containerStatuses: [waiting('PodInitializing')] };
  const withInit = (...initContainerStatuses: object[]) =>
    podStatus({ ...start, initContainerStatuses }, { spec: init })[1];
  assert.equal(withInit(waiting('PodInitializing'), waiting('PodInitializing')), 'Init:0/2');
  assert.equal(withInit(ended(0), running), 'Init:1/2');
  assert.equal(withInit(ended(1)), 'Init:ExitCode:1');
  assert.equal(withInit(ended(1, { reason: 'Error' })), 'Init:Error');
  assert.equal(withInit(waiting('ErrImagePull')), 'Init:ErrImagePull');
  const initContainerStatuses = [{ ...running, name: 's', started: true, restartCount: 1 }];
  assert.deepEqual(podStatus({ ...run, containerStatuses: [running], initContainerStatuses }, { spec: sidecar }), [
    '2/2',
    'Running',
    '1',
  ]);
  const deleting = { meta: { deletionTimestamp: '2026-01-01T00:00:00Z' } };
  assert.equal(podStatus({ ...run, containerStatuses: [running] }, deleting)[1], 'Terminating');
  assert.equal(podStatus({ phase: 'Succeeded' }, deleting)[1], 'Succeeded');
  assert.equal(podStatus({ ...run, reason: 'NodeLost' }, deleting)[1], 'Unknown');
  assert.equal(podStatus({ phase: 'Failed', reason: 'Evicted' })[1], 'Evicted');
  const gated = [{ type: 'PodScheduled', reason: 'SchedulingGated', status: 'False' }];
  assert.equal(podStatus({ phase: 'Pending', conditions: gated })[1], 'SchedulingGated');
});

test('restarts say when the last one was', () => {
  const lastState = { terminated: { finishedAt: '2026-01-01T00:55:00Z' } };
  const status = { phase: 'Running', containerStatuses: [{ ...running, restartCount: 3, lastState }] };
  assert.equal(podStatus(status)[2], '3 (5m ago)');
});

test('a pod that is done says so beside its row', () => {
  const { conditions } = tableFor({ group: '', kind: 'Pod' }).row({ status: { phase: 'Succeeded' } }, now);
  assert.equal(conditions?.[0]?.reason, 'Succeeded');
});

test('nodes, services and workloads look as expected', () => {
  const node = row('', 'Node', {
    metadata: { ...metadata, labels: { 'node-role.kubernetes.io/worker': '', 'kubernetes.io/role': 'edge' } },
    spec: { unschedulable: true },
    status: { conditions: [{ type: 'Ready', status: 'True' }], nodeInfo: { kubeletVersion: 'v1.36.0' } },
  });
  assert.deepEqual(
    [node['Status'], node['Roles'], node['Version']],
    ['Ready,SchedulingDisabled', 'edge,worker', 'v1.36.0'],
  );
  const service = row('', 'Service', {
    spec: { type: 'LoadBalancer', clusterIPs: ['10.0.0.1'], ports: [{ port: 80, nodePort: 30080, protocol: 'TCP' }] },
  });
  assert.deepEqual([service['External-IP'], service['Port(s)'], service['Age']], ['<pending>', '80:30080/TCP', '60m']);
  const deployment = row('apps', 'Deployment', {
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: 'web' } },
      template: { spec: { containers: [{ name: 'a', image: 'i' }] } },
    },
    status: { readyReplicas: 1, updatedReplicas: 2 },
  });
  assert.deepEqual(deployment, {
    Name: 'web',
    Ready: '1/2',
    'Up-to-date': 2,
    Available: 0,
    Age: '60m',
    Containers: 'a',
    Images: 'i',
    Selector: 'app=web',
  });
  const job = row('batch', 'Job', { spec: { completions: 1 }, status: { startTime: '2026-01-01T00:59:00Z' } });
  assert.deepEqual([job['Status'], job['Completions'], job['Duration']], ['Running', '0/1', '60s']);
});

test('a certificate request shows where it stands', () => {
  const csr = (status: object) =>
    row('certificates.k8s.io', 'CertificateSigningRequest', { spec: {}, status })['Condition'];
  assert.equal(csr({}), 'Pending');
  assert.equal(csr({ conditions: [{ type: 'Approved' }], certificate: 'eA==' }), 'Approved,Issued');
  assert.equal(csr({ conditions: [{ type: 'Denied' }] }), 'Denied');
});

test('every kind has a row for every object, the empty and the full one', () => {
  for (const info of scheme.resources) {
    const printer = tableFor(info);
    for (const object of [{}, { metadata: {} }, sampleObject(info.model) as JsonObject]) {
      assert.equal(printer.row(object, now).cells.length, printer.columns.length, info.model);
    }
  }
});

test('kinds without columns of their own show when they were made', () => {
  assert.deepEqual(row('rbac.authorization.k8s.io', 'Role', {}), { Name: 'web', 'Created At': '2026-01-01T00:00:00Z' });
});
