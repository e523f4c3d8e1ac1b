import { badRequest } from '../../api/errors.ts';
import { admissionContext } from '../admission/admission-context.ts';
import { createObject } from '../writes/create-object.ts';
import { answerWritten } from './answer.ts';
import { decodeBody } from './decode-body.ts';
import { methodNotAllowed, parseWriteOptions } from './options.ts';
import type { ResourceRequest } from './request.ts';

export async function create({ services, context, resource }: ResourceRequest): Promise<void> {
  const { exchange, info, user } = context;
  if (info.name !== '') throw methodNotAllowed();
  if (resource.info.namespaced && info.namespace === '') {
    throw badRequest('an empty namespace may not be set during creation');
  }
  const options = parseWriteOptions(exchange.query, 'CreateOptions');
  const object = await decodeBody(context, { gvk: resource.info, fieldValidation: options.fieldValidation });
  const { remoteAddress } = exchange.socket;
  const request = {
    resource,
    subresource: '',
    namespace: resource.info.namespaced ? info.namespace : '',
    name: '',
    user,
    ...(remoteAddress !== undefined && { sourceAddress: remoteAddress }),
    dryRun: options.dryRun,
    options: options.object,
    ...admissionContext(context),
  };
  const written = await createObject(services, request, resource.toStorage(object));
  await answerWritten(exchange, 201, { resource, written });
}
