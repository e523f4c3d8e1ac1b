import type { Pod } from '../api/kubernetes/core-v1.ts';
import type { ApiClient } from '../client/client.ts';
import { pods } from '../client/resources.ts';
import { inBatches } from './batches.ts';
import type { PendingWrites } from './pending-writes.ts';

export interface DeletePodsOptions {
  readonly client: ApiClient;
  readonly pending: PendingWrites;
  /** The key of the owner that `pending` keeps the deletions for. */
  readonly owner: string;
  readonly signal: AbortSignal;
  /** Told the name of each pod that was deleted. */
  readonly onDeleted: (name: string) => void;
}

/** Deletes pods of one owner, slowly at first; each one only as long as it is the same object. */
export async function deletePods(remove: readonly Pod[], options: DeletePodsOptions): Promise<void> {
  const { client, pending, owner, signal, onDeleted } = options;
  await inBatches(remove.length, async (index) => {
    const pod = remove[index];
    if (!pod) return;
    const { namespace = '', name = '', uid = '' } = pod.metadata ?? {};
    pending.deleted(owner, pod);
    await client.delete(pods, { namespace, name }, { preconditions: { uid }, signal });
    onDeleted(name);
  });
}
