import type { CachedObject } from '../cached-object.ts';
import type { Exchange } from '../exchange.ts';
import { encodeJsonList, type ListMeta } from '../list-encoding.ts';
import { negotiate } from '../negotiation.ts';
import { sendJsonBytes } from '../respond.ts';
import type { ServedResource } from '../served-resource.ts';

/** Answers a list in the form asked for. */
export async function answerList(
  exchange: Exchange,
  list: { resource: ServedResource; objects: readonly CachedObject[]; meta: ListMeta },
): Promise<void> {
  const { format } = negotiate(exchange);
  await sendJsonBytes(exchange, 200, encodeJsonList(list.resource, list.objects, list.meta), format);
}
