import { readFileSync, statfsSync } from 'node:fs';
import { arch, availableParallelism, freemem, release, totalmem, type } from 'node:os';
import type { Node, NodeAddress, NodeCondition, NodeStatus, Taint } from '../../api/kubernetes/core-v1.ts';
import { formatTime } from '../../lib/clock.ts';
import { kubernetesVersion } from '../../lib/version.ts';

export interface NodeFacts {
  readonly name: string;
  readonly addresses: readonly NodeAddress[];
  readonly port: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
  /** Where the node takes its pods' addresses from by itself; `undefined` for a node that is given a range. */
  readonly podRange?: string | undefined;
  readonly maxPods: number;
  /** Overrides of what the machine has, for example `{ cpu: '32', memory: '256Gi' }`. */
  readonly capacity: Readonly<Record<string, string>>;
  /** `name://version`. */
  readonly containerRuntimeVersion: string;
  readonly runtimeHandlers: readonly string[];
  readonly dataDirectory: string | undefined;
  /** Why the node cannot take pods; `undefined` when it can. */
  readonly notReady: string | undefined;
}

const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64', ia32: '386', arm: 'arm' };

/** What the kubelet's endpoints do although older ones do not: serve exec, attach and port-forward by WebSocket as clients speak it. */
const declaredFeatures: readonly string[] = ['ExtendWebSocketsToKubelet'];

/** The Node as it registers itself. Source: kubelet `pkg/kubelet/kubelet_node_status.go`. */
export function buildNode(facts: NodeFacts, nowMs: number): Node {
  const operatingSystem = process.platform;
  const architecture = architectures[arch()] ?? arch();
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: facts.name,
      labels: {
        'kubernetes.io/hostname': facts.name,
        'kubernetes.io/os': operatingSystem,
        'kubernetes.io/arch': architecture,
        'beta.kubernetes.io/os': operatingSystem,
        'beta.kubernetes.io/arch': architecture,
        ...facts.labels,
      },
      annotations: { ...facts.annotations },
    },
    spec: {
      ...(facts.podRange !== undefined && { podCIDR: facts.podRange, podCIDRs: [facts.podRange] }),
      ...(facts.taints.length > 0 && { taints: [...facts.taints] }),
    },
    status: buildNodeStatus(facts, [], nowMs),
  };
}

/** `previous` conditions keep their transition times. */
export function buildNodeStatus(facts: NodeFacts, previous: readonly NodeCondition[], nowMs: number): NodeStatus {
  const capacity = capacityOf(facts);
  return {
    addresses: [...facts.addresses],
    daemonEndpoints: { kubeletEndpoint: { Port: facts.port } },
    capacity,
    allocatable: capacity,
    nodeInfo: {
      machineID: machineText('/etc/machine-id'),
      systemUUID: machineText('/etc/machine-id'),
      bootID: machineText('/proc/sys/kernel/random/boot_id'),
      kernelVersion: release(),
      osImage: osImage(),
      containerRuntimeVersion: facts.containerRuntimeVersion,
      kubeletVersion: kubernetesVersion.gitVersion,
      kubeProxyVersion: '',
      operatingSystem: process.platform,
      architecture: architectures[arch()] ?? arch(),
    },
    conditions: conditionsOf(facts, previous, nowMs),
    runtimeHandlers: facts.runtimeHandlers.map((name) => ({ name })),
    declaredFeatures: [...declaredFeatures],
  };
}

function conditionsOf(facts: NodeFacts, previous: readonly NodeCondition[], nowMs: number): NodeCondition[] {
  const heartbeat = formatTime(nowMs);
  const memoryLow = facts.dataDirectory !== undefined && freemem() < 100 * 1024 * 1024;
  const diskLow = diskUse(facts.dataDirectory).availableBytes < 64 * 1024 * 1024;
  const wanted: [string, boolean, string, string][] = [
    memoryLow
      ? ['MemoryPressure', true, 'KubeletHasInsufficientMemory', 'kubelet has insufficient memory available']
      : ['MemoryPressure', false, 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'],
    diskLow
      ? ['DiskPressure', true, 'KubeletHasDiskPressure', 'kubelet has disk pressure']
      : ['DiskPressure', false, 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'],
    ['PIDPressure', false, 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'],
    facts.notReady === undefined
      ? ['Ready', true, 'KubeletReady', 'kubelet is posting ready status']
      : ['Ready', false, 'KubeletNotReady', facts.notReady],
  ];
  return wanted.map(([conditionType, truth, reason, message]) => {
    const status = truth ? 'True' : 'False';
    const before = previous.find((condition) => condition.type === conditionType);
    const lastTransitionTime = before?.status === status ? (before.lastTransitionTime ?? heartbeat) : heartbeat;
    return { type: conditionType, status, lastHeartbeatTime: heartbeat, lastTransitionTime, reason, message };
  });
}

function capacityOf({ maxPods, capacity, dataDirectory }: NodeFacts): Record<string, string> {
  return {
    cpu: String(availableParallelism()),
    memory: `${Math.floor(totalmem() / 1024)}Ki`,
    'ephemeral-storage': `${Math.floor(diskUse(dataDirectory).capacityBytes / 1024)}Ki`,
    pods: String(maxPods),
    ...capacity,
  };
}

export interface DiskUse {
  readonly capacityBytes: number;
  readonly availableBytes: number;
  readonly inodes: number;
  readonly inodesFree: number;
}

/** Of the file system under `directory`; a node without one has plenty. */
export function diskUse(directory: string | undefined): DiskUse {
  if (directory === undefined)
    return { capacityBytes: 2 ** 40, availableBytes: 2 ** 40, inodes: 2 ** 20, inodesFree: 2 ** 20 };
  const { bsize, blocks, bavail, files, ffree } = statfsSync(directory);
  return { capacityBytes: bsize * blocks, availableBytes: bsize * bavail, inodes: files, inodesFree: ffree };
}

function osImage(): string {
  const name = /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(machineText('/etc/os-release'));
  return name?.[1] ?? type();
}

const machineTexts = new Map<string, string>();

/** Facts of the machine do not change while it runs. */
function machineText(path: string): string {
  let text = machineTexts.get(path);
  if (text === undefined) {
    try {
      text = readFileSync(path, 'utf8').trim();
    } catch {
      text = ''; // not on this system
    }
    machineTexts.set(path, text);
  }
  return text;
}
