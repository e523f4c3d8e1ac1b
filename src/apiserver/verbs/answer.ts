import { encodeProtobufObject, wrapProtobufObject } from '../../wire/object-protobuf.ts';
import type { CachedObject } from '../cached-object.ts';
import type { Exchange } from '../exchange.ts';
import { negotiate } from '../negotiation.ts';
import { sendBytes, sendJsonBytes } from '../respond.ts';
import type { ServedResource } from '../served-resource.ts';
import { shapeOf } from '../shape.ts';
import { type Written, writtenJson, writtenObject } from '../writes/written.ts';
import { answerTable } from './answer-table.ts';

/** Answers one object from the cache, in the form asked for. */
export async function answerCached(
  exchange: Exchange,
  status: number,
  { resource, object }: { resource: ServedResource; object: CachedObject },
): Promise<void> {
  const negotiated = negotiate(exchange);
  const { format, transform } = negotiated;
  if (transform === 'table') {
    const meta = { resourceVersion: String(object.revision) };
    return answerTable(exchange, status, { resource, objects: [object], meta, negotiated });
  }
  const shape = shapeOf(resource, negotiated);
  if (format !== 'protobuf') return sendJsonBytes(exchange, status, shape.json(object), format);
  await sendBytes(exchange, status, { format, bytes: wrapProtobufObject(shape.gvk, shape.message(object)) });
}

/** Answers the outcome of a write. */
export async function answerWritten(
  exchange: Exchange,
  status: number,
  { resource, written }: { resource: ServedResource; written: Written },
): Promise<void> {
  if (written.stored) return answerCached(exchange, status, { resource, object: written.object });
  const { format } = negotiate(exchange);
  if (format !== 'protobuf') return sendJsonBytes(exchange, status, writtenJson(resource, written), format);
  const bytes = encodeProtobufObject(writtenObject(resource, written), resource.info);
  await sendBytes(exchange, status, { format, bytes });
}
