import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Pod, PodStatus } from '../../api/kubernetes/core-v1.ts';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { LoopbackPodNetwork } from '../loopback-pod-network.ts';
import { RuntimeError } from '../runtimes/runtime.ts';
import { SimulatedRuntime } from '../runtimes/simulated/simulated-runtime.ts';
import type { Simulation } from '../runtimes/simulated/simulation.ts';
import type { PodServices } from './pod-services.ts';
import { PodWorker } from './pod-worker.ts';

test('a pod becomes Running and Ready, and its status is written with the uid', async () => {
  await using bed = await openBed({}, pod({}));
  const status = await bed.until(({ phase }) => phase === 'Running');
  const conditions = Object.fromEntries((status.conditions ?? []).map(({ type, status: truth }) => [type, truth]));
  assert.deepEqual(conditions, {
    PodReadyToStartContainers: 'True',
    Initialized: 'True',
    Ready: 'True',
    ContainersReady: 'True',
    PodScheduled: 'True',
  });
  assert.match(status.containerStatuses?.[0]?.containerID ?? '', /^fairlead-simulated:\/\/[0-9a-f]{64}$/);
  assert.equal(status.podIP?.startsWith('127.42.'), process.platform === 'linux');
  assert.deepEqual(bed.uids, ['u1']);
  assert.deepEqual(bed.reasons, ['Pulled', 'Created', 'Started']);
});

test('init containers run one after the other, before the others', async () => {
  const order: string[] = [];
  const simulation: Simulation = {
    run: async ({ name }, { signal }) => {
      order.push(name);
      if (name.startsWith('i')) return 0;
      await aborted(signal);
      return 143;
    },
  };
  await using bed = await openBed(
    simulation,
    pod({
      initContainers: [
        { name: 'i1', image: 'x' },
        { name: 'i2', image: 'x' },
      ],
    }),
  );
  await bed.until(({ phase }) => phase === 'Running');
  assert.deepEqual(order, ['i1', 'i2', 'main']);
});

test('a pod that never restarts ends as Succeeded or Failed with its exit code', async () => {
  for (const [exitCode, phase] of [
    [0, 'Succeeded'],
    [3, 'Failed'],
  ] as const) {
    await using bed = await openBed({ run: async () => exitCode }, pod({ restartPolicy: 'Never' }));
    const status = await bed.until((present) => present.phase === phase);
    assert.equal(status.containerStatuses?.[0]?.state?.terminated?.exitCode, exitCode);
    const ready = status.conditions?.find(({ type }) => type === 'Ready');
    assert.deepEqual([ready?.status, ready?.reason], ['False', exitCode === 0 ? 'PodCompleted' : 'PodFailed']);
  }
});

test('a container that crashes is restarted at once, then backs off and says so', async () => {
  await using bed = await openBed({ run: async () => 7 }, pod({}));
  const status = await bed.until(
    (present) => present.containerStatuses?.[0]?.state?.waiting?.reason === 'CrashLoopBackOff',
  );
  const [container] = status.containerStatuses ?? [];
  assert.equal(container?.restartCount, 1);
  assert.equal(container?.lastState?.terminated?.exitCode, 7);
  assert.equal(container?.state?.waiting?.message, 'back-off 10s restarting failed container=main pod=web_default(u1)');
  assert.equal(status.phase, 'Running');
});

test('an image that cannot be had shows ErrImagePull with the reason', async () => {
  const runtime = new SimulatedRuntime({}, { version: '0' });
  runtime.pullImage = () => Promise.reject(new RuntimeError('ErrImagePull', 'do this instead'));
  await using bed = await openBed(runtime, pod({}));
  const status = await bed.until(
    (present) => present.containerStatuses?.[0]?.state?.waiting?.reason === 'ErrImagePull',
  );
  assert.equal(status.containerStatuses?.[0]?.state?.waiting?.message, 'do this instead');
  assert.equal(status.phase, 'Pending');
});

test('a deleted pod is stopped, reported as ended, and then removed with its uid', async () => {
  await using bed = await openBed({}, pod({}));
  await bed.until(({ phase }) => phase === 'Running');
  bed.worker.update({
    ...pod({}),
    metadata: { ...pod({}).metadata, deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 1 },
  });
  await bed.worker.ended;
  assert.equal(bed.statuses.at(-1)?.phase, 'Failed');
  assert.deepEqual(bed.deletions, [{ gracePeriodSeconds: 0, preconditions: { uid: 'u1' } }]);
  assert.deepEqual(bed.runtime.listSandboxes(), []);
});

test('a volume that cannot be made holds the pod back with an event', async () => {
  await using bed = await openBed({}, pod({ volumes: [{ name: 'v', configMap: { name: 'missing' } }] }));
  const status = await bed.until(({ phase }) => phase === 'Pending');
  assert.equal(status.containerStatuses?.[0]?.state?.waiting?.reason, 'ContainerCreating');
  assert.deepEqual(bed.reasons, ['FailedMount']);
});

test('a configuration that names something missing shows CreateContainerConfigError', async () => {
  const env = [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'missing', key: 'k' } } }];
  await using bed = await openBed({}, pod({ containers: [{ name: 'main', image: 'x', env }] }));
  const reason = 'CreateContainerConfigError';
  const status = await bed.until((present) => present.containerStatuses?.[0]?.state?.waiting?.reason === reason);
  assert.equal(
    status.containerStatuses?.[0]?.state?.waiting?.message,
    "couldn't find key k in ConfigMap default/missing",
  );
});

test('a sidecar starts before the others and ends after them; hooks run in their containers', async () => {
  const order: string[] = [];
  const simulation: Simulation = {
    run: async ({ name }, { signal }) => {
      order.push(`${name} starts`);
      if (name === 'init') return 0;
      await aborted(signal);
      order.push(`${name} ends`);
      return 143;
    },
    exec: ({ name }, { command }) => {
      order.push(`${name} ${command[0]}`);
      return 0;
    },
  };
  const hook = (command: string) => ({ exec: { command: [command] } });
  const spec = {
    initContainers: [
      { name: 'side', image: 'x', restartPolicy: 'Always', lifecycle: { preStop: hook('preStop') } },
      { name: 'init', image: 'x' },
    ],
    containers: [{ name: 'main', image: 'x', lifecycle: { postStart: hook('postStart'), preStop: hook('preStop') } }],
  };
  await using bed = await openBed(simulation, pod(spec));
  await bed.until(({ phase }) => phase === 'Running');
  const { metadata } = pod(spec);
  const deletion = { deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 30 };
  bed.worker.update({ ...pod(spec), metadata: { ...metadata, ...deletion } });
  await bed.worker.ended;
  assert.deepEqual(order, [
    'side starts',
    'init starts',
    'main starts',
    'main postStart',
    'main preStop',
    'main ends',
    'side preStop',
    'side ends',
  ]);
});

function pod(spec: Partial<NonNullable<Pod['spec']>>): Pod {
  return {
    metadata: { name: 'web', namespace: 'default', uid: 'u1', generation: 1 },
    spec: { nodeName: 'n1', restartPolicy: 'Always', containers: [{ name: 'main', image: 'nginx' }], ...spec },
  };
}

async function openBed(play: Simulation | SimulatedRuntime, start: Pod) {
  const dataDirectory = await mkdtemp(join(tmpdir(), 'fairlead-worker-'));
  const runtime = play instanceof SimulatedRuntime ? play : new SimulatedRuntime(play, { version: '0' });
  const statuses: PodStatus[] = [];
  const uids = new Set<string>();
  const deletions: unknown[] = [];
  const reasons: string[] = [];
  let told = () => {};
  const client: PodServices['client'] = {
    patch: async (_resource, _ref, patch) => {
      const body = patch as { metadata: { uid: string }; status: PodStatus }; // what the worker sends
      uids.add(body.metadata.uid);
      statuses.push(body.status);
      told();
      return {} as never; // nobody looks at the answer
    },
    delete: async (_resource, _ref, options) => void deletions.push(options),
  };
  const worker = new PodWorker(start, {
    client,
    nodeName: 'n1',
    hostIp: '10.0.0.1',
    dataDirectory,
    network: new LoopbackPodNetwork(),
    resources: {
      configMap: async () => undefined,
      secret: async () => undefined,
      token: async () => 'token',
      services: () => [],
    },
    apiServer: undefined,
    clock: systemClock,
    log: silentLogger,
    runtimeFor: () => runtime,
    record: (_pod, { reason }) => void reasons.push(reason),
    probed: () => {},
  });
  using subscriptions = new DisposableStack();
  subscriptions.use(runtime.subscribe(() => worker.wake()));
  const kept = subscriptions.move();
  return {
    worker,
    runtime,
    statuses,
    deletions,
    reasons,
    get uids() {
      return [...uids];
    },
    async until(condition: (status: PodStatus) => boolean): Promise<PodStatus> {
      for (;;) {
        const found = statuses.find(condition);
        if (found) return found;
        await new Promise<void>((resolve) => {
          told = resolve;
        });
      }
    },
    async [Symbol.asyncDispose]() {
      kept.dispose();
      await worker.release();
      await runtime[Symbol.asyncDispose]();
      await rm(dataDirectory, { recursive: true, force: true });
    },
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
