import { badRequest } from '../../api/errors.ts';
import type { ResourceInfo, SubresourceInfo } from '../../api/resource-info.ts';
import type { RequestContext } from '../exchange.ts';
import { negotiate } from '../negotiation.ts';
import { sendObject } from '../respond.ts';
import type { ReviewHandler } from '../review.ts';
import { decodeBody } from './decode-body.ts';
import { methodNotAllowed, parseWriteOptions } from './options.ts';

/** Answers what stores nothing: the object comes back completed. */
export async function review(
  context: RequestContext,
  target: { resource: ResourceInfo; subresource: SubresourceInfo | undefined; handler: ReviewHandler },
): Promise<void> {
  const { exchange, info } = context;
  if (info.verb !== 'create') throw methodNotAllowed();
  if (target.subresource && info.name === '') throw badRequest('name must be provided');
  const gvk = target.subresource?.kind ?? target.resource;
  const { fieldValidation } = parseWriteOptions(exchange.query, 'CreateOptions');
  const { format } = negotiate(exchange);
  const object = await decodeBody(context, { gvk, fieldValidation });
  await sendObject(exchange, 201, { object: await target.handler(object, context), gvk, format });
}
