import { decodeObject, type FieldValidation } from '../../api/decode.ts';
import { applyDefaults } from '../../api/defaults.ts';
import { ApiError } from '../../api/errors.ts';
import { invalid, invalidObject } from '../../api/field-error.ts';
import { parseJson } from '../../api/json.ts';
import type { GroupVersionKind, JsonKubeObject, JsonValue } from '../../api/object.ts';
import { applyJsonPatch } from '../../api/patch/json-patch.ts';
import { applyMergePatch } from '../../api/patch/merge-patch.ts';
import { applyStrategicMergePatch } from '../../api/patch/strategic-merge-patch.ts';
import { decodeText } from '../../lib/bytes.ts';
import { admissionContext } from '../admission/admission-context.ts';
import type { RequestContext } from '../exchange.ts';
import { mediaType } from '../negotiation.ts';
import { updateObject } from '../writes/update-object.ts';
import { answerWritten } from './answer.ts';
import { parseWriteOptions } from './options.ts';
import type { ResourceRequest } from './request.ts';
import { checkIdentity } from './update.ts';

/** PATCH: made from what is stored, again and again until no other write comes between. */
export async function patch({ services, context, resource, subresource }: ResourceRequest): Promise<void> {
  const { exchange, info, user } = context;
  const options = parseWriteOptions(exchange.query, 'PatchOptions');
  const change = await readPatch(context, {
    gvk: resource.info,
    model: resource.info.model,
    fieldValidation: options.fieldValidation,
  });
  await services.feed.reachNewest();
  const written = await updateObject(services, {
    resource,
    subresource: subresource?.name ?? '',
    namespace: resource.info.namespaced ? info.namespace : '',
    name: info.name,
    user,
    dryRun: options.dryRun,
    options: options.object,
    ...admissionContext(context),
    replaces: false,
    compute: (old) => {
      const object = change(resource.object(old));
      checkIdentity(object, { name: info.name, namespace: resource.info.namespaced ? info.namespace : '' });
      return resource.toStorage(object);
    },
  });
  await answerWritten(exchange, 200, { resource, written });
}

/** Makes the patched object of a stored one, decoded and defaulted; shares nothing with it that may be changed. */
export type Change = (object: Readonly<JsonKubeObject>) => JsonKubeObject;

type ApplyPatch = (object: JsonKubeObject, patch: unknown, model: string) => unknown;

const patchTypes: Readonly<Record<string, ApplyPatch>> = {
  'application/json-patch+json': (object, change) => applyJsonPatch(object, change),
  'application/merge-patch+json': (object, change) => applyMergePatch(object, change),
  'application/strategic-merge-patch+json': (object, change, model) => applyStrategicMergePatch(object, change, model),
};

/** Reads the patch in the body. @throws {ApiError} `UnsupportedMediaType`, `BadRequest` */
export async function readPatch(
  context: RequestContext,
  { gvk, model, fieldValidation }: { gvk: GroupVersionKind; model: string; fieldValidation: FieldValidation },
): Promise<Change> {
  const { exchange } = context;
  const type = mediaType(String(exchange.headers['content-type'] ?? ''));
  const apply = Object.hasOwn(patchTypes, type) ? patchTypes[type] : undefined;
  if (type.startsWith('application/apply-patch+')) {
    const message = 'server-side apply is not supported by this server yet: use apply without --server-side';
    throw new ApiError('UnsupportedMediaType', message);
  }
  if (!apply) {
    const known = Object.keys(patchTypes).join(', ');
    const message = `the body of the request was in an unknown format - accepted media types include: ${known}`;
    throw new ApiError('UnsupportedMediaType', message);
  }
  const bytes = await exchange.body();
  const { value, duplicates } = parseJson(bytes, { duplicates: fieldValidation !== 'Ignore' });
  if (context.audit?.wantsRequestObject) context.audit.requestObject(value as JsonValue); // parsed JSON
  return (object) => {
    const patched = apply(object, value, model);
    const { object: decoded, warnings } = decodeObject(patched, {
      gvk,
      fieldValidation: fieldValidation === 'Ignore' ? 'Ignore' : 'Warn',
      duplicates,
    });
    if (fieldValidation === 'Strict' && warnings.length > 0) throw strictError(decodeText(bytes), warnings);
    for (const warning of warnings) context.warn(warning);
    applyDefaults(decoded, gvk);
    return decoded;
  };
}

function strictError(patch: string, complaints: readonly string[]): ApiError {
  const error = invalid('patch', patch, `strict decoding error: ${complaints.join(', ')}`);
  return invalidObject({ group: '', version: '', kind: '' }, '', [error]);
}
