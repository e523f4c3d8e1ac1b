import type { CertificateSigningRequest } from '../../api/kubernetes/certificates-v1.ts';
import { certificateSigningRequests } from '../../client/resources.ts';
import type { ControllerContext } from '../controller.ts';
import { ReconcileLoop } from '../reconcile-loop.ts';

const hour = 3_600_000;

/** Deletes certificate requests that are done with: issued, denied and failed ones after an hour, others after a day. */
export function startCsrCleaner(context: ControllerContext): AsyncDisposable {
  const { client, informers, clock } = context;
  const requests = informers.get<CertificateSigningRequest>(certificateSigningRequests);
  const loop = new ReconcileLoop({
    ...context,
    after: [requests],
    concurrency: 1,
    reconcile: async (name, signal) => {
      const csr = requests.get(name);
      if (!csr) return undefined;
      const leftMs = dueMs(csr) - clock.now();
      if (leftMs > 0) return { afterMs: leftMs };
      await client.delete(
        certificateSigningRequests,
        { name },
        { preconditions: { uid: csr.metadata?.uid ?? '' }, signal },
      );
      return undefined;
    },
  });
  requests.subscribe(({ type, object }) => {
    if (type !== 'deleted') loop.add(object.metadata?.name ?? '');
  });
  return loop;
}

/** When it is to be deleted. */
export function dueMs({ metadata, status }: CertificateSigningRequest): number {
  const createdMs = Date.parse(metadata?.creationTimestamp ?? '') || 0;
  const done = status?.conditions?.find(
    ({ type }) => type === 'Denied' || type === 'Failed' || (type === 'Approved' && status.certificate),
  );
  if (!done) return createdMs + 24 * hour;
  return (Date.parse(done.lastUpdateTime ?? done.lastTransitionTime ?? '') || createdMs) + hour;
}
