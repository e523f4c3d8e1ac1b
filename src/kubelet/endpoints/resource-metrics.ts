import { freemem, totalmem } from 'node:os';
import type { KubeletApi } from './kubelet-api.ts';
import { type ContainerSample, machineCpuNanos, sampleContainers, startOf } from './stats-summary.ts';

type Labels = Readonly<Record<string, string>>;

/** `GET /metrics/resource`: what metrics-server reads. Samples carry their time. */
export async function renderResourceMetrics(api: KubeletApi): Promise<string> {
  const samples = await sampleContainers(api);
  const nowMs = Date.now();
  const perContainer = (pick: (sample: ContainerSample) => number) =>
    samples.map((sample): [Labels, number] => [labelsOf(sample), pick(sample)]);
  const perPod = (pick: (sample: ContainerSample) => number) =>
    [...Map.groupBy(samples, ({ pod }) => pod.uid).values()].map((of): [Labels, number] => {
      const [first] = of;
      const labels = { namespace: first?.pod.namespace ?? '', pod: first?.pod.name ?? '' };
      return [labels, of.reduce((sum, sample) => sum + pick(sample), 0)];
    });
  const cpu = ({ stats }: ContainerSample) => stats.cpuNanos / 1e9;
  const memory = ({ stats }: ContainerSample) => stats.memoryBytes;
  const start = ({ instance }: ContainerSample) => startOf(instance) / 1000;
  return [
    family(
      'container_cpu_usage_seconds_total',
      'counter',
      'Cumulative cpu time consumed by the container in core-seconds',
      perContainer(cpu),
      nowMs,
    ),
    family(
      'container_memory_working_set_bytes',
      'gauge',
      'Current working set of the container in bytes',
      perContainer(memory),
      nowMs,
    ),
    family(
      'container_start_time_seconds',
      'gauge',
      'Start time of the container since unix epoch in seconds',
      perContainer(start),
      undefined,
    ),
    family(
      'node_cpu_usage_seconds_total',
      'counter',
      'Cumulative cpu time consumed by the node in core-seconds',
      [[{}, machineCpuNanos() / 1e9]],
      nowMs,
    ),
    family(
      'node_memory_working_set_bytes',
      'gauge',
      'Current working set of the node in bytes',
      [[{}, totalmem() - freemem()]],
      nowMs,
    ),
    family(
      'pod_cpu_usage_seconds_total',
      'counter',
      'Cumulative cpu time consumed by the pod in core-seconds',
      perPod(cpu),
      nowMs,
    ),
    family('pod_memory_working_set_bytes', 'gauge', 'Current working set of the pod in bytes', perPod(memory), nowMs),
    family(
      'resource_scrape_error',
      'gauge',
      '1 if there was an error while getting container metrics, 0 otherwise',
      [[{}, 0]],
      undefined,
    ),
  ].join('');
}

/** `GET /metrics/cadvisor`: as far as the runtime knows. */
export async function renderContainerMetrics(api: KubeletApi): Promise<string> {
  const samples = await sampleContainers(api);
  const each = (pick: (sample: ContainerSample) => number) =>
    samples.map((sample): [Labels, number] => {
      const { instance } = sample;
      const id = `/kubepods/pod${sample.pod.uid}/${instance.id}`;
      return [{ ...labelsOf(sample), id, image: instance.image, name: instance.id }, pick(sample)];
    });
  const nowMs = Date.now();
  return [
    family(
      'container_cpu_usage_seconds_total',
      'counter',
      'Cumulative cpu time consumed in seconds.',
      each(({ stats }) => stats.cpuNanos / 1e9),
      nowMs,
    ),
    family(
      'container_memory_rss',
      'gauge',
      'Size of RSS in bytes.',
      each(({ stats }) => stats.rssBytes),
      nowMs,
    ),
    family(
      'container_memory_usage_bytes',
      'gauge',
      'Current memory usage in bytes.',
      each(({ stats }) => stats.memoryBytes),
      nowMs,
    ),
    family(
      'container_memory_working_set_bytes',
      'gauge',
      'Current working set in bytes.',
      each(({ stats }) => stats.memoryBytes),
      nowMs,
    ),
    family(
      'container_processes',
      'gauge',
      'Number of processes running inside the container.',
      each(({ stats }) => stats.processes),
      nowMs,
    ),
    family(
      'container_start_time_seconds',
      'gauge',
      'Start time of the container since unix epoch in seconds.',
      each(({ instance }) => startOf(instance) / 1000),
      nowMs,
    ),
    family(
      'machine_memory_bytes',
      'gauge',
      'Amount of memory installed on the machine.',
      [[{}, totalmem()]],
      undefined,
    ),
  ].join('');
}

function labelsOf({ instance, pod }: ContainerSample): Labels {
  return { container: instance.name, namespace: pod.namespace, pod: pod.name };
}

/** One family in the Prometheus text format. */
function family(
  name: string,
  type: string,
  help: string,
  samples: readonly [Labels, number][],
  atMs: number | undefined,
): string {
  if (samples.length === 0) return '';
  const lines = samples.map(([labels, value]) => {
    const list = Object.entries(labels).map(([key, text]) => `${key}=${JSON.stringify(text)}`);
    return `${name}${list.length > 0 ? `{${list.join(',')}}` : ''} ${value}${atMs === undefined ? '' : ` ${atMs}`}\n`;
  });
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}
