import type { CachedObject } from '../cached-object.ts';
import type { Exchange } from '../exchange.ts';
import { type Negotiated, negotiate } from '../negotiation.ts';
import { sendJsonBytes, sendObject } from '../respond.ts';
import type { ServedResource } from '../served-resource.ts';
import { type Written, writtenJson, writtenObject } from '../writes/written.ts';

/** Answers one object from the cache, in the form asked for. */
export function answerCached(
  exchange: Exchange,
  status: number,
  { resource, object }: { resource: ServedResource; object: CachedObject },
): Promise<void> {
  return answerWritten(exchange, status, { resource, written: { stored: true, object } });
}

/** Answers the outcome of a write. */
export async function answerWritten(
  exchange: Exchange,
  status: number,
  { resource, written }: { resource: ServedResource; written: Written },
): Promise<void> {
  const negotiated: Negotiated = negotiate(exchange);
  const { format } = negotiated;
  if (format === 'protobuf') {
    const object = writtenObject(resource, written);
    return sendObject(exchange, status, { object, gvk: resource.info, format });
  }
  await sendJsonBytes(exchange, status, writtenJson(resource, written), format);
}
