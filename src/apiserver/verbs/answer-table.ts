import { encodeText } from '../../lib/bytes.ts';
import type { CachedObject } from '../cached-object.ts';
import type { Exchange } from '../exchange.ts';
import type { ListMeta } from '../list-encoding.ts';
import type { Negotiated } from '../negotiation.ts';
import { sendJsonBytes } from '../respond.ts';
import type { ServedResource } from '../served-resource.ts';
import { encodeTable, includeObject } from '../table.ts';

/** Answers objects as the rows of a `Table`. */
export async function answerTable(
  exchange: Exchange,
  status: number,
  table: { resource: ServedResource; objects: readonly CachedObject[]; meta: ListMeta; negotiated: Negotiated },
): Promise<void> {
  const { resource, negotiated } = table;
  const options = { metaVersion: negotiated.metaVersion, include: includeObject(exchange.query), nowMs: Date.now() };
  const text = encodeTable(resource, table, options);
  await sendJsonBytes(exchange, status, encodeText(text), negotiated.format);
}
