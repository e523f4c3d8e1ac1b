import { badRequest } from '../../api/errors.ts';
import { currentObject } from '../writes/stored-object.ts';
import { answerCached } from './answer.ts';
import { namespaceOf, type ResourceRequest } from './request.ts';

/** One object: by default as new as can be, with a resourceVersion not older than that. */
export async function get({ services, context, resource }: ResourceRequest): Promise<void> {
  const { exchange, info } = context;
  const version = exchange.query.get('resourceVersion') ?? '';
  const wait = version === '' ? services.feed.reachNewest() : services.feed.reach(parseVersion(version));
  if (wait) await wait;
  const object = currentObject(resource, namespaceOf({ context, resource }), info.name);
  await answerCached(exchange, 200, { resource, object });
}

/** @throws {ApiError} `BadRequest` */
export function parseVersion(text: string): number {
  if (!/^(0|[1-9]\d{0,14})$/.test(text))
    throw badRequest(
      `Invalid value: ${JSON.stringify(text)}: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`,
    );
  return Number(text);
}
