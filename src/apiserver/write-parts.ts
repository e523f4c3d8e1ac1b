import type { Writable } from 'node:stream';

/** Writes all parts in one go. Returns false when the stream wants a pause. */
export function writeParts(stream: Writable, parts: readonly Uint8Array[]): boolean {
  const [only] = parts;
  if (parts.length === 1 && only) return stream.write(only);
  stream.cork();
  let more = true;
  for (const part of parts) more = stream.write(part);
  stream.uncork();
  return more;
}
