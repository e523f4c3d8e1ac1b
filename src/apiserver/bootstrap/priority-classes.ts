import type { PriorityClass } from '../../api/kubernetes/scheduling-v1.ts';
import type { InternalObjects } from '../internal-objects.ts';
import { ensureObject } from './ensure-object.ts';

const classes = [
  {
    name: 'system-node-critical',
    value: 2_000_001_000,
    description: 'Used for system critical pods that must not be moved from their current node.',
  },
  {
    name: 'system-cluster-critical',
    value: 2_000_000_000,
    description:
      'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.',
  },
];

/** The priorities that system pods name. */
export async function ensurePriorityClasses(objects: InternalObjects): Promise<void> {
  await Promise.all(
    classes.map(async ({ name, value, description }) => {
      const object: PriorityClass = {
        apiVersion: 'scheduling.k8s.io/v1',
        kind: 'PriorityClass',
        metadata: { name },
        value,
        description,
        preemptionPolicy: 'PreemptLowerPriority',
      };
      await ensureObject(objects, 'priorityclasses.scheduling.k8s.io', { object, merge: (found) => found });
    }),
  );
}
