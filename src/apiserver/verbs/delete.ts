import { decodeObject } from '../../api/decode.ts';
import type { Status } from '../../api/errors.ts';
import { type FieldError, invalidObject, notSupported } from '../../api/field-error.ts';
import { parseJson, parseYamlBody } from '../../api/json.ts';
import type { JsonObject } from '../../api/object.ts';
import { decodeText } from '../../lib/bytes.ts';

import { admissionContext } from '../admission/admission-context.ts';
import type { Exchange } from '../exchange.ts';
import { bodyFormat, negotiate } from '../negotiation.ts';
import { isTrue } from '../request-info.ts';
import { sendStatus } from '../respond.ts';
import type { ServedResource } from '../served-resource.ts';
import { deleteObject } from '../writes/delete-object.ts';
import { type Written, writtenObject } from '../writes/written.ts';
import { answerWritten } from './answer.ts';
import { dryRunErrors, parseInteger } from './options.ts';
import { parseProtobufBody } from './protobuf-body.ts';
import { namespaceOf, type ResourceRequest } from './request.ts';

export async function remove({ services, context, resource }: ResourceRequest): Promise<void> {
  const { exchange, info, user } = context;
  const options = await parseDeleteOptions(exchange);
  const { kept, result } = await deleteObject(services, {
    resource,
    subresource: '',
    namespace: namespaceOf({ context, resource }),
    name: info.name,
    user,
    dryRun: options['dryRun'] !== undefined,
    options,
    ...admissionContext(context),
  });
  if (kept || resource.strategy.returnsDeletedObject) {
    return answerWritten(exchange, 200, { resource, written: result });
  }
  await sendStatus(exchange, 200, deletedStatus(resource, result), negotiate(exchange).format);
}

const gvk = { group: 'meta.k8s.io', version: 'v1', kind: 'DeleteOptions' };

/** The body; only where there is none, the query. @throws {ApiError} */
export async function parseDeleteOptions(exchange: Exchange): Promise<JsonObject> {
  const body = await exchange.body();
  const options = body.length > 0 ? decodeOptions(exchange, body) : optionsFromQuery(exchange.query);
  const errors: FieldError[] = [];
  const { propagationPolicy: policy, orphanDependents, dryRun } = options;
  if (Array.isArray(dryRun)) errors.push(...dryRunErrors(dryRun));
  if (policy !== undefined && orphanDependents !== undefined) {
    errors.push({
      type: 'FieldValueInvalid',
      field: 'propagationPolicy',
      body: `Invalid value: ${JSON.stringify(policy)}: orphanDependents and deletionPropagation cannot be both set`,
    });
  }
  if (policy !== undefined && !['Foreground', 'Background', 'Orphan'].includes(String(policy))) {
    errors.push(notSupported('propagationPolicy', policy, ['Foreground', 'Background', 'Orphan', 'nil']));
  }
  if (errors.length > 0) throw invalidObject(gvk, '', errors);
  if (Array.isArray(dryRun) && dryRun.length === 0) delete options['dryRun'];
  return options;
}

function decodeOptions(exchange: Exchange, body: Uint8Array): JsonObject {
  const format = bodyFormat(exchange);
  const value =
    format === 'json'
      ? parseJson(body, { duplicates: false }).value
      : format === 'yaml'
        ? parseYamlBody(decodeText(body))
        : parseProtobufBody(body, gvk);
  if (value === null || value === undefined) return {};
  const { object } = decodeObject(value, { gvk, fieldValidation: 'Ignore' });
  const { metadata: _none, ...options } = object;
  return options;
}

function optionsFromQuery(query: URLSearchParams): JsonObject {
  const options: JsonObject = { kind: 'DeleteOptions', apiVersion: 'meta.k8s.io/v1' };
  const grace = parseInteger(query, 'gracePeriodSeconds');
  if (grace !== undefined) options['gracePeriodSeconds'] = grace;
  const orphan = query.get('orphanDependents');
  if (orphan !== null) options['orphanDependents'] = isTrue(orphan);
  const policy = query.get('propagationPolicy');
  if (policy) options['propagationPolicy'] = policy;
  const dryRun = query.getAll('dryRun').filter((value) => value !== '');
  if (dryRun.length > 0) options['dryRun'] = dryRun;
  return options;
}

function deletedStatus(resource: ServedResource, result: Written): Status {
  const { info } = resource;
  const { metadata } = writtenObject(resource, result);
  const details = {
    name: String(metadata['name']),
    ...(info.group !== '' && { group: info.group }),
    kind: info.resource,
    uid: String(metadata['uid']),
  };
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details };
}
