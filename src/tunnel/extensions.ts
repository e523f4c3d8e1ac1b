import type { IncomingHttpHeaders } from 'node:http2';

/** Metadata key by which Fairlead's ends find each other on upstream's protocol. Old peers ignore it. */
export const extensionsHeader = 'fairlead-extensions';

/** How much each of our ends holds for one connection's reader, as the other end is told. */
export const ownWindowBytes = 1024 * 1024;

/** What the other end understands beyond upstream's protocol. */
export interface Extensions {
  /** How many bytes it takes on one connection before it grants more (`WINDOW`); it also knows `FIN`. */
  readonly windowBytes: number;
}

export function formatExtensions(): string {
  return `fin,window=${ownWindowBytes}`;
}

/** What the peer's metadata says, or `undefined` for an upstream peer. Anything that is not whole counts as nothing. */
export function parseExtensions(headers: IncomingHttpHeaders): Extensions | undefined {
  const value = headers[extensionsHeader];
  const words = typeof value === 'string' ? value.split(',') : [];
  const window = words.map((word) => /^window=([1-9]\d{0,8})$/.exec(word)?.[1]).find(Boolean);
  return window && words.includes('fin') ? { windowBytes: Number(window) } : undefined;
}
