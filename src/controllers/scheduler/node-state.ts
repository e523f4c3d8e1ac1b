import type { Node, Pod } from '../../api/kubernetes/core-v1.ts';
import { type Amounts, add, parseAmounts, podRequests } from './pod-requests.ts';

/** A port that a pod takes on its node. */
export interface HostPort {
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
}

/** One node with what runs on it, as the filters see it. */
export class NodeState {
  readonly pods = new Map<string, Pod>();
  readonly requested = new Map<string, number>();
  node: Node;
  allocatable: Amounts;
  readonly #requests = new Map<string, Amounts>();

  constructor(node: Node) {
    this.node = node;
    this.allocatable = parseAmounts(node.status?.allocatable);
  }

  get name(): string {
    return this.node.metadata?.name ?? '';
  }

  get labels(): Readonly<Record<string, string>> {
    return this.node.metadata?.labels ?? {};
  }

  update(node: Node): void {
    this.node = node;
    this.allocatable = parseAmounts(node.status?.allocatable);
  }

  addPod(pod: Pod): void {
    const uid = pod.metadata?.uid ?? '';
    this.removePod(uid);
    const requests = podRequests(pod);
    this.pods.set(uid, pod);
    this.#requests.set(uid, requests);
    add(this.requested, requests);
  }

  removePod(uid: string): void {
    const requests = this.#requests.get(uid);
    if (!requests) return;
    add(this.requested, requests, -1);
    this.#requests.delete(uid);
    this.pods.delete(uid);
  }
}

export function hostPorts({ spec }: Pod): HostPort[] {
  const containers = [
    ...(spec?.containers ?? []),
    ...(spec?.initContainers ?? []).filter((one) => one.restartPolicy === 'Always'),
  ];
  return containers.flatMap(({ ports = [] }) =>
    ports
      .filter(({ hostPort }) => hostPort !== undefined && hostPort > 0)
      .map(({ hostIP, protocol, hostPort }) => ({
        ip: hostIP || '0.0.0.0',
        protocol: protocol ?? 'TCP',
        port: hostPort ?? 0,
      })),
  );
}
