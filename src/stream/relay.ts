import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';

export interface RelayOptions {
  readonly signal?: AbortSignal;
  /** How long the other direction may go on after one has ended. @default 60000 */
  readonly lingerMs?: number;
}

/**
 * Carries bytes both ways until each side has ended; each direction ends by itself, behind its last byte. Resolves when both streams are done with,
 * whatever ended them: a peer that goes away is how these connections end. The first failure or an abort destroys both.
 */
export async function relay(a: Duplex, b: Duplex, options: RelayOptions = {}): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const destroy = () => {
    a.destroy();
    b.destroy();
  };
  const carry = async (from: Duplex, to: Duplex) => {
    try {
      await pipeline(from, to);
      timer ??= setTimeout(destroy, options.lingerMs ?? 60_000).unref();
    } catch {
      destroy();
    }
  };
  // Two pipelines on each, beside the listeners that HTTP and TLS left there.
  for (const stream of [a, b]) stream.setMaxListeners(Math.max(32, stream.getMaxListeners()));
  options.signal?.addEventListener('abort', destroy, { once: true });
  if (options.signal?.aborted) destroy();
  await Promise.all([carry(a, b), carry(b, a)]);
  clearTimeout(timer);
  options.signal?.removeEventListener('abort', destroy);
  destroy();
}
