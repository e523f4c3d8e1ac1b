import type { CachedObject } from '../cached-object.ts';
import type { Exchange } from '../exchange.ts';
import { gzipJsonList, gzipProtobufList } from '../gzip-list.ts';
import { encodeJsonList, encodeProtobufList, type ListMeta } from '../list-encoding.ts';
import { contentTypes, negotiate, wantsPretty } from '../negotiation.ts';
import { acceptsGzip, minGzipBytes, sendGzip, sendJsonBytes } from '../respond.ts';
import type { ServedResource } from '../served-resource.ts';
import { shapeOf } from '../shape.ts';
import { byteLength } from '../shared-bytes.ts';
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
  const isProtobuf = format === 'protobuf';
  const parts = (isProtobuf ? encodeProtobufList : encodeJsonList)(shape, objects, meta);
  if (format === 'yaml' || (!isProtobuf && wantsPretty(exchange))) {
    return sendJsonBytes(exchange, 200, Buffer.concat(parts), format);
  }
  const contentType = contentTypes[format];
  if (!acceptsGzip(exchange) || byteLength(parts) <= minGzipBytes) {
    return exchange.respond(200, { 'content-type': contentType }, parts);
  }
  const zipped = await (isProtobuf ? gzipProtobufList : gzipJsonList)(shape, objects, meta);
  sendGzip(exchange, 200, { contentType, zipped });
}
