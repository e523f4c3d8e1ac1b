import { badRequest, type Status } from '../../api/errors.ts';
import type { Pod } from '../../api/kubernetes/core-v1.ts';
import type { Eviction } from '../../api/kubernetes/policy-v1.ts';
import type { JsonKubeObject, JsonObject } from '../../api/object.ts';
import { formatTime } from '../../lib/clock.ts';
import { admissionContext } from '../admission/admission-context.ts';
import { admitAll, validateAll } from '../admission/run-admission.ts';
import { negotiate } from '../negotiation.ts';
import { sendStatus } from '../respond.ts';
import type { ApiServices } from '../services.ts';
import { decodeBody } from '../verbs/decode-body.ts';
import { parseWriteOptions } from '../verbs/options.ts';
import type { ResourceRequest, VerbHandler } from '../verbs/request.ts';
import { deleteObject } from '../writes/delete-object.ts';
import { currentObject } from '../writes/stored-object.ts';
import { updateObject } from '../writes/update-object.ts';
import { admissionAttributes } from '../writes/write-request.ts';

const gvk = { group: 'policy', version: 'v1', kind: 'Eviction' };
const success: Status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };

/** `pods/eviction`: a deletion that may be refused; here nothing refuses it, as there are no disruption budgets yet. */
export const evictionHandlers: Readonly<Record<string, VerbHandler>> = { create };

async function create({ services, context, resource }: ResourceRequest): Promise<void> {
  const { exchange, info, user } = context;
  const { dryRun: dryRunQuery, fieldValidation, object: options } = parseWriteOptions(exchange.query, 'CreateOptions');
  const object = await decodeBody(context, { gvk, fieldValidation });
  const eviction = object as Eviction; // decoded as one
  const given = eviction.metadata?.name;
  if (given !== undefined && given !== '' && given !== info.name) {
    throw badRequest('name in URL does not match name in Eviction object');
  }
  const deleteOptions = (eviction.deleteOptions ?? {}) as JsonObject;
  const request = {
    resource,
    subresource: 'eviction',
    namespace: info.namespace,
    name: info.name,
    user,
    dryRun: dryRunQuery || (eviction.deleteOptions?.dryRun?.length ?? 0) > 0,
    options,
    ...admissionContext(context),
  };
  await services.feed.reachNewest();
  const pod = currentObject(resource, info.namespace, info.name);
  const attributes = admissionAttributes(request, { operation: 'CREATE', object, oldObject: undefined });
  await admitAll(services.admission, attributes);
  await validateAll(services.admission, attributes);

  // What is admitted is the eviction; what follows from it is the server's.
  const inner: ApiServices = { ...services, admission: [] };
  if (!request.dryRun && !pod.object.metadata['deletionTimestamp']) {
    await updateObject(inner, { ...request, replaces: false, compute: (old) => markTarget(old.object, services) });
  }
  await deleteObject(inner, { ...request, subresource: '', options: deleteOptions });
  await sendStatus(exchange, 201, success, negotiate(exchange).format);
}

/** Tells controllers that this end was asked for. */
function markTarget(old: Readonly<JsonKubeObject>, { clock }: ApiServices): JsonKubeObject {
  const pod = old as Pod; // stored as one
  const conditions = (pod.status?.conditions ?? []).filter(({ type }) => type !== 'DisruptionTarget');
  const marked: Pod = {
    ...pod,
    metadata: { ...pod.metadata },
    status: {
      ...pod.status,
      conditions: [
        ...conditions,
        {
          type: 'DisruptionTarget',
          status: 'True',
          reason: 'EvictionByEvictionAPI',
          message: 'Eviction API: evicting',
          lastTransitionTime: formatTime(clock.now()),
        },
      ],
    },
  };
  return marked as JsonKubeObject;
}
