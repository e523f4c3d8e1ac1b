import type { Node } from '../api/kubernetes/core-v1.ts';
import { nodes } from '../client/resources.ts';
import type { ControllerContext } from './controller.ts';
import { ReconcileLoop } from './reconcile-loop.ts';

/** Pod addresses of the whole cluster: `--cluster-cidr`, cut into one /24 for each node. */
const clusterPrefix = '10.244';
const ranges = 256;

/**
 * Gives each Node without a pod range one of its own, the lowest free: `spec.podCIDR`. A range that a node came with, such as the loopback range of a
 * node on the host's network, stays. Source: k8s.io/kubernetes `pkg/controller/nodeipam`.
 */
export function startNodeIpamController(context: ControllerContext): AsyncDisposable {
  const { client, informers, events } = context;
  const nodeInformer = informers.get<Node>(nodes);
  /** Ranges in use, by node: also those that were just written and that the informer does not show yet. */
  const taken = new Map<string, string>();

  const loop = new ReconcileLoop({
    ...context,
    concurrency: 1, // two workers could choose one range
    after: [nodeInformer],
    reconcile: async (name, signal) => {
      const node = nodeInformer.get(name);
      if (!node) {
        taken.delete(name);
        return undefined;
      }
      const present = node.spec?.podCIDR;
      if (present) {
        taken.set(name, present);
        return undefined;
      }
      const range = lowestFree();
      if (!range) {
        events.record(
          { apiVersion: 'v1', kind: 'Node', metadata: { name, uid: name } },
          { type: 'Normal', reason: 'CIDRNotAvailable', message: `Node ${name} status is now: CIDRNotAvailable` },
        );
        throw new Error(`no pod range is left for node ${name}: ${clusterPrefix}.0.0/16 has ${ranges}`);
      }
      const patch = {
        metadata: { uid: node.metadata?.uid, resourceVersion: node.metadata?.resourceVersion },
        spec: { podCIDR: range, podCIDRs: [range] },
      };
      await client.patch(nodes, { name }, patch, { type: 'application/merge-patch+json', signal });
      taken.set(name, range);
      return undefined;
    },
  });

  function lowestFree(): string | undefined {
    const used = new Set([...taken.values(), ...[...nodeInformer.values()].map(({ spec }) => spec?.podCIDR)]);
    for (let index = 0; index < ranges; index++) {
      const range = `${clusterPrefix}.${index}.0/24`;
      if (!used.has(range)) return range;
    }
    return undefined;
  }

  nodeInformer.subscribe(({ object }) => loop.add(object.metadata?.name ?? ''));
  return loop;
}
