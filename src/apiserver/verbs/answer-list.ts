import type { CachedObject } from '../cached-object.ts';
import type { Exchange } from '../exchange.ts';
import { encodeGzipList } from '../gzip-list.ts';
import { encodeJsonList, encodeProtobufList, type ListMeta } from '../list-encoding.ts';
import { contentTypes, negotiate, wantsPretty } from '../negotiation.ts';
import { acceptsGzip, minGzipBytes, sendBytes, sendGzip, sendJsonBytes } from '../respond.ts';
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
  const bytes = objects.reduce((sum, object) => sum + object.json.length, 0);
  if (
    format === 'json' &&
    transform === 'none' &&
    bytes > minGzipBytes &&
    acceptsGzip(exchange) &&
    !wantsPretty(exchange)
  ) {
    const zipped = await encodeGzipList(shape, objects, meta);
    return sendGzip(exchange, 200, { contentType: contentTypes.json, zipped });
  }
  await sendJsonBytes(exchange, 200, encodeJsonList(shape, objects, meta), format);
}
