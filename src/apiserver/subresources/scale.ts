import { decodeObject } from '../../api/decode.ts';
import { invalid, invalidObject } from '../../api/field-error.ts';
import type { LabelSelector } from '../../api/kubernetes/meta-v1.ts';
import type { JsonKubeObject, JsonObject, JsonValue } from '../../api/object.ts';
import { selectorFromObject } from '../../api/selectors.ts';
import { admissionContext } from '../admission/admission-context.ts';
import type { CachedObject } from '../cached-object.ts';
import { negotiate } from '../negotiation.ts';
import { sendObject } from '../respond.ts';
import { decodeBody } from '../verbs/decode-body.ts';
import { parseWriteOptions, type WriteOptions } from '../verbs/options.ts';
import { readPatch } from '../verbs/patch.ts';
import type { ResourceRequest, VerbHandler } from '../verbs/request.ts';
import { checkIdentity } from '../verbs/update.ts';
import { currentObject } from '../writes/stored-object.ts';
import { updateObject } from '../writes/update-object.ts';

const gvk = { group: 'autoscaling', version: 'v1', kind: 'Scale' };
const model = 'io.k8s.api.autoscaling.v1.Scale';

/** `scale`: how many replicas of whatever it is, as one kind for all. */
export const scaleHandlers: Readonly<Record<string, VerbHandler>> = { get, update, patch };

async function get({ services, context, resource }: ResourceRequest): Promise<void> {
  const { exchange, info } = context;
  await services.feed.reachNewest();
  const object = scaleOf(currentObject(resource, info.namespace, info.name).object);
  await sendObject(exchange, 200, { object, gvk, format: negotiate(exchange).format });
}

async function update(request: ResourceRequest): Promise<void> {
  const { context } = request;
  const options = parseWriteOptions(context.exchange.query, 'UpdateOptions');
  const scale = await decodeBody(context, { gvk, fieldValidation: options.fieldValidation });
  checkIdentity(scale, context.info);
  await write(request, { options, scaleFor: () => scale });
}

async function patch(request: ResourceRequest): Promise<void> {
  const { context } = request;
  const options = parseWriteOptions(context.exchange.query, 'PatchOptions');
  const change = await readPatch(context, { gvk, model, fieldValidation: options.fieldValidation });
  await write(request, {
    options,
    scaleFor: (old) => {
      const scale = change(decodeObject(scaleOf(old.object), { gvk, fieldValidation: 'Ignore' }).object);
      checkIdentity(scale, context.info);
      return scale;
    },
  });
}

async function write(
  { services, context, resource }: ResourceRequest,
  { options, scaleFor }: { options: WriteOptions; scaleFor: (old: CachedObject) => JsonKubeObject },
): Promise<void> {
  const { exchange, info, user } = context;
  await services.feed.reachNewest();
  const written = await updateObject(services, {
    resource,
    subresource: 'scale',
    namespace: info.namespace,
    name: info.name,
    user,
    dryRun: options.dryRun,
    options: options.object,
    ...admissionContext(context),
    replaces: false,
    compute: (old) => withReplicas(old.object, scaleFor(old), info.name),
  });
  const object = scaleOf(written.stored ? written.object.object : written.object);
  await sendObject(exchange, 200, { object, gvk, format: negotiate(exchange).format });
}

/** @throws {ApiError} `Invalid` */
function withReplicas(old: Readonly<JsonKubeObject>, scale: JsonKubeObject, name: string): JsonKubeObject {
  const replicas = (scale['spec'] as JsonObject | undefined)?.['replicas'] ?? 0;
  if (typeof replicas !== 'number' || replicas < 0) {
    const complaint = invalid('spec.replicas', replicas, 'must be greater than or equal to 0');
    throw invalidObject(gvk, name, [complaint]);
  }
  const { resourceVersion, uid } = scale.metadata;
  return {
    ...old,
    metadata: { ...old.metadata, ...(resourceVersion && { resourceVersion }), ...(uid && { uid }) },
    spec: { ...(old['spec'] as JsonObject), replicas },
  };
}

/** The scale that an object with replicas stands for. */
export function scaleOf(object: Readonly<JsonKubeObject>): JsonKubeObject {
  const spec = (object['spec'] ?? {}) as JsonObject;
  const status = (object['status'] ?? {}) as JsonObject;
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const metadata: JsonObject = {};
  for (const [field, value] of Object.entries({ name, namespace, uid, resourceVersion, creationTimestamp })) {
    if (value !== undefined) metadata[field] = value;
  }
  const selector = selectorText(spec['selector']);
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata,
    spec: { replicas: spec['replicas'] ?? 1 },
    status: { replicas: status['replicas'] ?? 0, ...(selector !== '' && { selector }) },
  };
}

/** A label selector, or the plain map of a replication controller, as a query would say it. */
function selectorText(selector: JsonValue | undefined): string {
  if (typeof selector !== 'object' || selector === null || Array.isArray(selector)) return '';
  const structured = 'matchLabels' in selector || 'matchExpressions' in selector;
  const labels = structured ? selector : { matchLabels: selector };
  return selectorFromObject(labels as LabelSelector).text; // decoded by its schema
}
