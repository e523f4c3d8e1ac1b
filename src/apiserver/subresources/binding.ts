import { badRequest, conflict, notFound, type Status } from '../../api/errors.ts';
import { invalidObject, notSupported, required } from '../../api/field-error.ts';
import type { Binding, Pod } from '../../api/kubernetes/core-v1.ts';
import type { JsonKubeObject } from '../../api/object.ts';
import { scheme } from '../../api/scheme.ts';
import { formatTime } from '../../lib/clock.ts';
import { admissionContext } from '../admission/admission-context.ts';
import { admitAll, validateAll } from '../admission/run-admission.ts';
import { negotiate } from '../negotiation.ts';
import { sendStatus } from '../respond.ts';
import type { ApiServices } from '../services.ts';
import { decodeBody } from '../verbs/decode-body.ts';
import { parseWriteOptions } from '../verbs/options.ts';
import type { ResourceRequest, VerbHandler } from '../verbs/request.ts';
import { updateObject } from '../writes/update-object.ts';
import { admissionAttributes } from '../writes/write-request.ts';

const gvk = { group: '', version: 'v1', kind: 'Binding' };
const success: Status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };

/** `pods/binding` and the older `bindings`: gives a pod its node, once. Source: `pkg/registry/core/pod/storage` `BindingREST`. */
export const bindingHandlers: Readonly<Record<string, VerbHandler>> = { create };

async function create({ services, context }: ResourceRequest): Promise<void> {
  const { exchange, info, user } = context;
  const options = parseWriteOptions(exchange.query, 'CreateOptions');
  const object = await decodeBody(context, { gvk, fieldValidation: options.fieldValidation });
  const binding = object as unknown as Binding; // decoded as one
  const name = info.name || (binding.metadata?.name ?? '');
  if (binding.metadata?.name !== undefined && binding.metadata.name !== name) {
    throw badRequest('name in URL does not match name in Binding object');
  }
  checkTarget(binding, name);
  const resource = services.resource(podsResource());
  const request = {
    resource,
    subresource: 'binding',
    namespace: info.namespace,
    name,
    user,
    dryRun: options.dryRun,
    options: options.object,
    ...admissionContext(context),
  };
  const attributes = admissionAttributes(request, { operation: 'CREATE', object, oldObject: undefined });
  await admitAll(services.admission, attributes);
  await validateAll(services.admission, attributes);
  await services.feed.reachNewest();
  // What is admitted is the binding; the pod's own change is the server's.
  const inner: ApiServices = { ...services, admission: [] };
  await updateObject(inner, { ...request, replaces: false, compute: (old) => assign(old.object, binding, services) });
  await sendStatus(exchange, 201, success, negotiate(exchange).format);
}

function podsResource() {
  const resource = scheme.find('', 'v1', 'pods');
  if (!resource) throw notFound({ group: '', resource: 'pods' }, '');
  return resource;
}

/** @throws {ApiError} `Invalid` */
function checkTarget({ target }: Binding, name: string): void {
  if (target.kind !== undefined && target.kind !== '' && target.kind !== 'Node') {
    throw invalidObject(gvk, name, [notSupported('target.kind', target.kind, ['Node', '<empty>'])]);
  }
  if (!target.name) throw invalidObject(gvk, name, [required('target.name')]);
}

/** @throws {ApiError} `Conflict` */
function assign(old: Readonly<JsonKubeObject>, { target, metadata }: Binding, { clock }: ApiServices): JsonKubeObject {
  const pod = old as Pod; // stored as one
  const name = pod.metadata?.name ?? '';
  const refuse = (why: string) => conflict({ group: '', resource: 'pods/binding' }, name, why);
  if (metadata?.uid && metadata.uid !== pod.metadata?.uid) {
    throw refuse(`Precondition failed: UID in precondition: ${metadata.uid}, UID in object meta: ${pod.metadata?.uid}`);
  }
  if (pod.metadata?.deletionTimestamp) throw refuse(`pod ${name} is being deleted, cannot be assigned to a host`);
  if (pod.spec?.nodeName) throw refuse(`pod ${name} is already assigned to node ${JSON.stringify(pod.spec.nodeName)}`);
  if (pod.spec?.schedulingGates?.length) throw refuse(`pod ${name} has non-empty .spec.schedulingGates`);
  const conditions = (pod.status?.conditions ?? []).filter(({ type }) => type !== 'PodScheduled');
  const before = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
  const lastTransitionTime = before?.status === 'True' ? before.lastTransitionTime : formatTime(clock.now());
  const assigned: Pod = {
    ...pod,
    metadata: {
      ...pod.metadata,
      ...(metadata?.annotations && { annotations: { ...pod.metadata?.annotations, ...metadata.annotations } }),
    },
    spec: { ...(pod.spec ?? { containers: [] }), nodeName: target.name ?? '' },
    status: {
      ...pod.status,
      conditions: [
        ...conditions,
        { type: 'PodScheduled', status: 'True', ...(lastTransitionTime && { lastTransitionTime }) },
      ],
    },
  };
  return assigned as JsonKubeObject;
}
