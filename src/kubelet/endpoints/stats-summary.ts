import { cpus, freemem, totalmem } from 'node:os';
import { formatTime } from '../../lib/clock.ts';
import { diskUse } from '../node/node-object.ts';
import type { ContainerInstance, ContainerStats } from '../runtimes/runtime.ts';
import type { KubeletApi } from './kubelet-api.ts';

export interface ContainerSample {
  readonly instance: ContainerInstance;
  readonly stats: ContainerStats;
  readonly pod: { readonly namespace: string; readonly name: string; readonly uid: string };
  readonly atMs: number;
}

/** What every running container uses now. */
export async function sampleContainers({ runtimes }: KubeletApi): Promise<ContainerSample[]> {
  const samples: ContainerSample[] = [];
  for (const runtime of runtimes) {
    const pods = new Map(runtime.listSandboxes().map(({ id, pod }) => [id, pod]));
    for (const instance of runtime.listContainers()) {
      const pod = pods.get(instance.sandboxId);
      const stats = pod && (await runtime.stats(instance.id));
      if (stats) samples.push({ instance, stats, pod, atMs: Date.now() });
    }
  }
  return samples;
}

/** CPU time of the whole machine since it was started, where the system tells it. */
export function machineCpuNanos(): number {
  return cpus().reduce((sum, { times }) => sum + (times.user + times.nice + times.sys + times.irq) * 1e6, 0);
}

/** `GET /stats/summary`. Source: kubelet `stats/v1alpha1`. */
export async function summarize(api: KubeletApi): Promise<unknown> {
  const samples = await sampleContainers(api);
  const time = formatTime(Date.now());
  const disk = diskUse(api.dataDirectory);
  const fs = {
    time,
    availableBytes: disk.availableBytes,
    capacityBytes: disk.capacityBytes,
    usedBytes: disk.capacityBytes - disk.availableBytes,
    inodesFree: disk.inodesFree,
    inodes: disk.inodes,
    inodesUsed: disk.inodes - disk.inodesFree,
  };
  const cpuNanos = machineCpuNanos();
  const used = totalmem() - freemem();
  const byPod = Map.groupBy(samples, ({ pod }) => pod.uid);
  return {
    node: {
      nodeName: api.nodeName,
      startTime: formatTime(api.startedAtMs),
      cpu: cpuOf(api, 'node', { cpuNanos, atMs: Date.now() }),
      memory: { time, availableBytes: freemem(), usageBytes: used, workingSetBytes: used, rssBytes: used },
      fs,
      runtime: { imageFs: fs, containerFs: fs },
      rlimit: { time, maxpid: 0, curproc: 0 },
    },
    pods: [...byPod.values()].map((of) => summarizePod(api, of)),
  };
}

function summarizePod(api: KubeletApi, samples: readonly ContainerSample[]): unknown {
  const [first] = samples;
  const sum = (pick: (stats: ContainerStats) => number) => samples.reduce((total, { stats }) => total + pick(stats), 0);
  const rssBytes = sum(({ rssBytes: bytes }) => bytes);
  const time = formatTime(first?.atMs ?? 0);
  const containers = samples.map(({ instance, stats, atMs }) => ({
    name: instance.name,
    startTime: formatTime(startOf(instance)),
    cpu: cpuOf(api, instance.id, { cpuNanos: stats.cpuNanos, atMs }),
    memory: {
      time: formatTime(atMs),
      usageBytes: stats.memoryBytes,
      workingSetBytes: stats.memoryBytes,
      rssBytes: stats.rssBytes,
    },
  }));
  return {
    podRef: { name: first?.pod.name, namespace: first?.pod.namespace, uid: first?.pod.uid },
    startTime: formatTime(Math.min(...samples.map(({ instance }) => startOf(instance)))),
    containers,
    cpu: {
      time,
      usageNanoCores: containers.reduce((total, { cpu }) => total + cpu.usageNanoCores, 0),
      usageCoreNanoSeconds: sum(({ cpuNanos }) => cpuNanos),
    },
    memory: { time, usageBytes: rssBytes, workingSetBytes: rssBytes, rssBytes },
    process_stats: { process_count: sum(({ processes }) => processes) },
  };
}

function cpuOf(api: KubeletApi, id: string, sample: { cpuNanos: number; atMs: number }) {
  return {
    time: formatTime(sample.atMs),
    usageNanoCores: Math.round(api.usage.rate(id, sample)),
    usageCoreNanoSeconds: sample.cpuNanos,
  };
}

export function startOf({ state, createdAtMs }: ContainerInstance): number {
  return state.phase === 'created' ? createdAtMs : state.startedAtMs;
}
