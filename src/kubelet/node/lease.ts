import { ApiError } from '../../api/errors.ts';
import type { Lease } from '../../api/kubernetes/coordination-v1.ts';
import type { ApiClient } from '../../client/client.ts';
import { leases } from '../../client/resources.ts';
import { type Clock, formatMicroTime } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';

const namespace = 'kube-node-lease';
const leaseDurationSeconds = 40;
const renewMs = 10_000;

/** Renews the node's lease every 10 s until `signal` aborts. A first random pause spreads many nodes over the interval. */
export async function keepLease(
  client: ApiClient,
  options: { nodeName: string; nodeUid: () => string | undefined; clock: Clock; log: Logger; signal: AbortSignal },
): Promise<void> {
  const { nodeName, clock, log, signal } = options;
  let held: Lease | undefined;
  for (let first = true; ; first = false) {
    try {
      held = await renew(client, held, options);
    } catch (error) {
      if (signal.aborted) return;
      held = undefined;
      log.warn('Cannot renew the node lease', { node: nodeName, error });
    }
    await clock.delay(first ? renewMs * (0.5 + Math.random() / 2) : renewMs, { signal }).catch(() => {});
    if (signal.aborted) return;
  }
}

async function renew(
  client: ApiClient,
  held: Lease | undefined,
  { nodeName, nodeUid, clock, signal }: Parameters<typeof keepLease>[1],
): Promise<Lease> {
  const uid = nodeUid();
  const renewTime = formatMicroTime(clock.now());
  const present = held ?? (await find(client, nodeName, signal));
  const spec = { holderIdentity: nodeName, leaseDurationSeconds, renewTime };
  if (present) return client.update(leases, { ...present, spec: { ...present.spec, ...spec } }, { signal });
  const owner = uid === undefined ? [] : [{ apiVersion: 'v1', kind: 'Node', name: nodeName, uid }];
  const lease: Lease = { metadata: { name: nodeName, namespace, ownerReferences: owner }, spec };
  return client.create(leases, lease, { namespace, signal });
}

async function find(client: ApiClient, name: string, signal: AbortSignal): Promise<Lease | undefined> {
  try {
    return await client.get<Lease>(leases, { namespace, name }, { signal });
  } catch (error) {
    if (error instanceof ApiError && error.reason === 'NotFound') return undefined;
    throw error;
  }
}
