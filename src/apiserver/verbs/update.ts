import { badRequest } from '../../api/errors.ts';
import type { JsonKubeObject } from '../../api/object.ts';
import { admissionContext } from '../admission/admission-context.ts';
import { createObject } from '../writes/create-object.ts';
import { updateObject } from '../writes/update-object.ts';
import { answerWritten } from './answer.ts';
import { decodeBody } from './decode-body.ts';
import { parseWriteOptions } from './options.ts';
import { namespaceOf, type ResourceRequest } from './request.ts';

/** PUT. */
export async function update({ services, context, resource, subresource }: ResourceRequest): Promise<void> {
  const { exchange, info, user } = context;
  const namespace = namespaceOf({ context, resource });
  const options = parseWriteOptions(exchange.query, 'UpdateOptions');
  const body = await decodeBody(context, { gvk: resource.info, fieldValidation: options.fieldValidation });
  checkIdentity(body, { name: info.name, namespace });
  const object = resource.toStorage(body);
  const request = {
    resource,
    subresource: subresource?.name ?? '',
    namespace,
    name: info.name,
    user,
    dryRun: options.dryRun,
    options: options.object,
    ...admissionContext(context),
  };
  const { strategy, cache } = resource;
  if (!subresource && strategy.allowCreateOnUpdate) {
    await services.feed.reachNewest();
    if (!cache.get(namespace, info.name) && !object.metadata['resourceVersion']) {
      const written = await createObject(services, { ...request, name: '' }, object);
      return answerWritten(exchange, 201, { resource, written });
    }
  }
  // A repeated attempt goes on with the same object: all that was done to it is done again.
  const written = await updateObject(services, { ...request, replaces: true, compute: () => object });
  await answerWritten(exchange, 200, { resource, written });
}

/** The body may leave out its name and namespace, but must not say others than the URL. @throws {ApiError} `BadRequest` */
export function checkIdentity(
  { metadata }: JsonKubeObject,
  { name, namespace }: { name: string; namespace: string },
): void {
  const given = metadata['name'];
  if (typeof given === 'string' && given !== '' && given !== name) {
    throw badRequest(`the name of the object (${given}) does not match the name on the URL (${name})`);
  }
  const givenNamespace = metadata['namespace'];
  if (typeof givenNamespace === 'string' && givenNamespace !== '' && givenNamespace !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  metadata['name'] = name;
  if (namespace !== '') metadata['namespace'] = namespace;
}
