import { badRequest } from '../../api/errors.ts';
import type { ResourceInfo, SubresourceInfo } from '../../api/resource-info.ts';
import { admissionContext } from '../admission/admission-context.ts';
import { runAdmission } from '../admission/run-admission.ts';
import type { RequestContext } from '../exchange.ts';
import { negotiate } from '../negotiation.ts';
import { sendObject } from '../respond.ts';
import type { ReviewHandler } from '../review.ts';
import type { ApiServices } from '../services.ts';
import { decodeBody } from './decode-body.ts';
import { methodNotAllowed, parseWriteOptions } from './options.ts';

export interface ReviewTarget {
  readonly services: ApiServices;
  readonly resource: ResourceInfo;
  readonly subresource: SubresourceInfo | undefined;
  readonly handler: ReviewHandler;
}

/** Answers what stores nothing: the object comes back completed. Admission is asked as for any create: a node may not have every token. */
export async function review(
  context: RequestContext,
  { services, resource, subresource, handler }: ReviewTarget,
): Promise<void> {
  const { exchange, info, user } = context;
  if (info.verb !== 'create') throw methodNotAllowed();
  if (subresource && info.name === '') throw badRequest('name must be provided');
  const gvk = subresource?.kind ?? resource;
  const { fieldValidation, dryRun, object: options } = parseWriteOptions(exchange.query, 'CreateOptions');
  const { format } = negotiate(exchange);
  const object = await decodeBody(context, { gvk, fieldValidation });
  await runAdmission(services.admission, {
    operation: 'CREATE',
    resource,
    subresource: subresource?.name ?? '',
    namespace: info.namespace,
    name: info.name,
    user,
    dryRun,
    object,
    oldObject: undefined,
    options,
    ...admissionContext(context),
  });
  await sendObject(exchange, 201, { object: await handler(object, context), gvk, format });
}
