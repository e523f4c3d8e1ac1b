import type { Lease } from '../api/kubernetes/coordination-v1.ts';
import type { Node, NodeCondition, Pod, Taint } from '../api/kubernetes/core-v1.ts';
import { leases, nodes, pods } from '../client/resources.ts';
import { formatTime } from '../lib/clock.ts';
import { findCondition, withCondition } from './conditions.ts';
import type { ControllerContext } from './controller.ts';
import { effectiveTaints, evictionDelayMs, sameTaints } from './node-taints.ts';
import { isPodFinished } from './pod-state.ts';
import { ReconcileLoop } from './reconcile-loop.ts';

const leaseNamespace = 'kube-node-lease';
/** Without a heartbeat for so long a node counts as gone. As upstream since 1.32. */
const gracePeriodMs = 50_000;
const startupGraceMs = 60_000;
/** At most this many pods are evicted from one node in a row; the rest follows. */
const evictionBurst = 50;
const podsByNode = 'node';

/**
 * Watches nodes' heartbeats (Lease renewals and status updates): one that stays away makes the conditions Unknown. Keeps the taints that
 * follow from conditions, and evicts pods that do not tolerate a NoExecute taint. Nothing is polled: each node has one timer, to the time at
 * which its heartbeat would be overdue.
 */
export function startNodeLifecycleController(context: ControllerContext): AsyncDisposable {
  const { client, informers, clock, events, log } = context;
  const nodeInformer = informers.get<Node>(nodes);
  const leaseInformer = informers.get<Lease>(leases);
  const podInformer = informers.get<Pod>(pods);
  podInformer.addIndex(podsByNode, ({ spec }) => (spec?.nodeName ? [spec.nodeName] : []));
  /** When we last *saw* a heartbeat change: nodes' clocks are not ours. */
  const seenMs = new Map<string, { beat: string; atMs: number }>();

  const beatOf = (name: string, node: Node) =>
    `${leaseInformer.get(`${leaseNamespace}/${name}`)?.spec?.renewTime}/${findCondition(node.status?.conditions, 'Ready')?.lastHeartbeatTime}`;

  const loop = new ReconcileLoop({
    ...context,
    after: [nodeInformer, leaseInformer, podInformer],
    reconcile: async (name, signal) => {
      const node = nodeInformer.get(name);
      if (!node) {
        seenMs.delete(name);
        return undefined;
      }
      const nowMs = clock.now();
      const beat = beatOf(name, node);
      const seen = seenMs.get(name);
      const isNew = !findCondition(node.status?.conditions, 'Ready');
      if (!seen || seen.beat !== beat) seenMs.set(name, { beat, atMs: nowMs });
      const silentMs = nowMs - (seen && seen.beat === beat ? seen.atMs : nowMs);
      const graceMs = isNew ? startupGraceMs : gracePeriodMs;
      if (silentMs >= graceMs) {
        const changed = unknownConditions(node.status?.conditions, formatTime(nowMs));
        if (changed !== node.status?.conditions) {
          log.warn('Node does not report', { node: name, silentMs });
          await client.update<Node>(
            nodes,
            { ...node, status: { ...node.status, conditions: changed } },
            { subresource: 'status', signal },
          );
          events.record(
            { apiVersion: 'v1', kind: 'Node', metadata: { name, uid: name } },
            { type: 'Normal', reason: 'NodeNotReady', message: `Node ${name} status is now: NodeNotReady` },
          );
          await markPodsNotReady(name, signal);
          return { afterMs: 1 };
        }
      }
      const taints = effectiveTaints(node, formatTime(nowMs));
      if (!sameTaints(taints, node.spec?.taints)) {
        const patch = {
          metadata: { resourceVersion: node.metadata?.resourceVersion },
          spec: { taints: taints.length > 0 ? taints : null },
        };
        await client.patch(nodes, { name }, patch, { type: 'application/merge-patch+json', signal });
        return { afterMs: 1 };
      }
      const evictMs = await evictPods(name, taints, signal);
      const overdueMs = silentMs >= graceMs ? undefined : graceMs - silentMs;
      const next = [evictMs, overdueMs].filter((ms) => ms !== undefined);
      return next.length > 0 ? { afterMs: Math.min(...next) } : undefined;
    },
  });

  /** Deletes what is due; gives the time until the next is. */
  async function evictPods(name: string, taints: readonly Taint[], signal: AbortSignal): Promise<number | undefined> {
    const executing = taints.filter(({ effect }) => effect === 'NoExecute');
    if (executing.length === 0) return undefined;
    let nextMs: number | undefined;
    let evicted = 0;
    for (const pod of podInformer.byIndex(podsByNode, name)) {
      if (isPodFinished(pod) || pod.metadata?.deletionTimestamp) continue;
      const delayMs = evictionDelayMs(pod, executing, clock.now());
      if (delayMs === undefined) continue;
      if (delayMs > 0 || evicted >= evictionBurst) {
        nextMs = Math.min(nextMs ?? Number.POSITIVE_INFINITY, Math.max(delayMs, 1_000));
        continue;
      }
      evicted++;
      const { namespace = '', name: podName = '', uid = '' } = pod.metadata ?? {};
      events.record(
        { ...pod, apiVersion: 'v1', kind: 'Pod' },
        { type: 'Normal', reason: 'TaintManagerEviction', message: `Marking for deletion Pod ${namespace}/${podName}` },
      );
      await client.delete(pods, { namespace, name: podName }, { preconditions: { uid }, signal });
    }
    return nextMs;
  }

  async function markPodsNotReady(name: string, signal: AbortSignal): Promise<void> {
    for (const pod of podInformer.byIndex(podsByNode, name)) {
      const ready = findCondition(pod.status?.conditions, 'Ready');
      if (ready?.status !== 'True') continue;
      const { namespace = '', name: podName = '', uid } = pod.metadata ?? {};
      const condition = { type: 'Ready', status: 'False', lastTransitionTime: formatTime(clock.now()) };
      const patch = { metadata: { uid }, status: { conditions: [condition] } };
      await client.patch(pods, { namespace, name: podName, subresource: 'status' }, patch, {
        type: 'application/strategic-merge-patch+json',
        signal,
      });
    }
  }

  nodeInformer.subscribe(({ object }) => loop.add(object.metadata?.name ?? ''));
  leaseInformer.subscribe(({ object }) => {
    const { namespace, name = '' } = object.metadata ?? {};
    if (namespace !== leaseNamespace) return;
    const node = nodeInformer.get(name);
    if (!node) return;
    // The heartbeat is only noted here: work is needed when it stays away, or when it comes back.
    const seen = seenMs.get(name);
    seenMs.set(name, { beat: beatOf(name, node), atMs: clock.now() });
    if (!seen || clock.now() - seen.atMs >= gracePeriodMs) loop.add(name);
  });
  podInformer.subscribe(({ type, object, ...change }) => {
    const nodeName = object.spec?.nodeName;
    if (type === 'deleted' || !nodeName) return;
    const placed = type === 'added' || !('previous' in change && change.previous.spec?.nodeName);
    if (placed && nodeInformer.get(nodeName)?.spec?.taints?.some(({ effect }) => effect === 'NoExecute'))
      loop.add(nodeName);
  });
  return loop;
}

const reported = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'];

/** All conditions that the kubelet reports, as unknown. */
export function unknownConditions(present: readonly NodeCondition[] | undefined, now: string): NodeCondition[] {
  let conditions = present as NodeCondition[] | undefined; // withCondition copies before it changes
  for (const type of reported) {
    const old = findCondition(conditions, type);
    if (old?.status === 'Unknown') continue;
    const next: NodeCondition = {
      type,
      status: 'Unknown',
      reason: old ? 'NodeStatusUnknown' : 'NodeStatusNeverUpdated',
      message: old ? 'Kubelet stopped posting node status.' : 'Kubelet never posted node status.',
      ...(old?.lastHeartbeatTime !== undefined && { lastHeartbeatTime: old.lastHeartbeatTime }),
      lastTransitionTime: now,
    };
    conditions = withCondition(conditions, next);
  }
  return conditions ?? [];
}
