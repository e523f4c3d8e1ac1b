import { watch } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface ReadLogOptions {
  /** Lines before it are left out. */
  readonly sinceMs: number | undefined;
  readonly timestamps: boolean;
  /** Counted in lines of the file, from its end, before `sinceMs` is looked at. */
  readonly tailLines: number | undefined;
  /** Of what is given, time stamps included. */
  readonly limitBytes: number | undefined;
  /** Goes on at the end of the file until `ended` says that nothing more comes. */
  readonly follow: boolean;
  readonly ended: () => boolean;
  readonly signal: AbortSignal;
}

const chunkBytes = 256 * 1024;
const recheckMs = 1_000;
const [space, newline, partial] = [0x20, 0x0a, 0x50];

/**
 * The content of a log file in CRI's format. Follows over rotation. Lines that cannot be parsed are left out.
 * Source: k8s.io/cri-client `pkg/logs`.
 */
export async function* readLog(path: string, options: ReadLogOptions): AsyncGenerator<Buffer, void, undefined> {
  const format = new LineFormat(options);
  let file = await open(path, 'r');
  try {
    const start = options.tailLines === undefined ? 0 : await findTail(file, options.tailLines);
    const last = options.follow ? Number.POSITIVE_INFINITY : (await file.stat()).size;
    for (let position = start; !options.signal.aborted; ) {
      const over = options.ended(); // asked before reading: what was written until now is read
      const buffer = Buffer.allocUnsafe(Math.max(0, Math.min(chunkBytes, last - position)));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
      position += bytesRead;
      const output = format.push(buffer.subarray(0, bytesRead));
      if (output.length > 0) yield output;
      if (format.full) return;
      if (bytesRead > 0) continue;
      if (!options.follow) return;
      if (await wasReplaced(file, path)) {
        await file.close();
        file = await open(path, 'r');
        position = 0;
      } else if (over) return;
      else await nextChange(path, options.signal);
    }
  } finally {
    await file.close();
  }
}

class LineFormat {
  readonly #timestamps: boolean;
  readonly #since: Buffer | undefined;
  #left: number;
  #rest: Buffer = Buffer.alloc(0);
  #continues = false;

  constructor({ timestamps, sinceMs, limitBytes }: ReadLogOptions) {
    this.#timestamps = timestamps;
    this.#since =
      sinceMs === undefined ? undefined : Buffer.from(`${new Date(sinceMs).toISOString().slice(0, 23)}000000Z`);
    this.#left = limitBytes ?? Number.POSITIVE_INFINITY;
  }

  /** The limit has been reached. */
  get full(): boolean {
    return this.#left <= 0;
  }

  push(chunk: Buffer): Buffer {
    const data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const parts: Buffer[] = [];
    let start = 0;
    for (let end = data.indexOf(newline); end >= 0 && !this.full; end = data.indexOf(newline, start)) {
      this.#line(data.subarray(start, end + 1), parts);
      start = end + 1;
    }
    this.#rest = data.subarray(start);
    return parts.length === 1 ? (parts[0] ?? this.#rest) : Buffer.concat(parts);
  }

  /** `<time> <stdout|stderr> <tag[:tag…]> <content>\n` */
  #line(line: Buffer, parts: Buffer[]): void {
    const time = line.indexOf(space);
    const stream = line.indexOf(space, time + 1);
    const tag = line.indexOf(space, stream + 1);
    if (time < 0 || stream < 0 || tag < 0) return;
    if (this.#since && line.compare(this.#since, 0, this.#since.length, 0, time) < 0) return;
    const isPartial = line[stream + 1] === partial;
    if (this.#timestamps && !this.#continues) this.#give(line.subarray(0, time + 1), parts);
    this.#give(line.subarray(tag + 1, isPartial ? line.length - 1 : line.length), parts);
    this.#continues = isPartial;
  }

  #give(bytes: Buffer, parts: Buffer[]): void {
    const given = bytes.length > this.#left ? bytes.subarray(0, Math.max(0, this.#left)) : bytes;
    this.#left -= bytes.length;
    if (given.length > 0) parts.push(given);
  }
}

/** Where the last `lines` lines begin. */
async function findTail(file: FileHandle, lines: number): Promise<number> {
  const { size } = await file.stat();
  if (lines === 0) return size;
  let found = 0;
  const buffer = Buffer.allocUnsafe(64 * 1024);
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - buffer.length);
    const { bytesRead } = await file.read(buffer, 0, end - start, start);
    for (let at = bytesRead - 1; at >= 0; at--) {
      if (buffer[at] !== newline || start + at === size - 1) continue;
      if (++found === lines) return start + at + 1;
    }
    end = start;
  }
  return 0;
}

async function wasReplaced(file: FileHandle, path: string): Promise<boolean> {
  const [held, present] = await Promise.all([file.stat(), stat(path).catch(() => undefined)]);
  return present !== undefined && present.ino !== held.ino;
}

/** Resolves when something happens in the log's directory, at the latest after a second. */
async function nextChange(path: string, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, recheckMs);
  signal.addEventListener('abort', () => resolve(), { once: true });
  const watcher = watch(dirname(path), () => resolve());
  watcher.on('error', () => resolve()); // the directory is gone: the check says so
  await promise;
  clearTimeout(timer);
  watcher.close();
}
