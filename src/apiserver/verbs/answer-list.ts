import type { CachedObject } from '../cached-object.ts';
import type { Exchange } from '../exchange.ts';
import { encodeJsonList, encodeProtobufList, type ListMeta } from '../list-encoding.ts';
import { negotiate } from '../negotiation.ts';
import { sendBytes, sendJsonBytes } from '../respond.ts';
import type { ServedResource } from '../served-resource.ts';
import { shapeOf } from '../shape.ts';
import { answerTable } from './answer-table.ts';

/** Answers a list in the form asked for. */
export async function answerList(
  exchange: Exchange,
  list: { resource: ServedResource; objects: readonly CachedObject[]; meta: ListMeta },
): Promise<void> {
  const negotiated = negotiate(exchange);
  const { format, transform } = negotiated;
  const { resource, objects, meta } = list;
  if (transform === 'table') return answerTable(exchange, 200, { ...list, negotiated });
  const shape = shapeOf(resource, negotiated);
  if (format === 'protobuf')
    return sendBytes(exchange, 200, { format, bytes: encodeProtobufList(shape, objects, meta) });
  await sendJsonBytes(exchange, 200, encodeJsonList(shape, objects, meta), format);
}
