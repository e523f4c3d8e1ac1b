import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { encodeText } from '../../../lib/bytes.ts';

/** A longer line is written in parts with the tag `P`, as containerd does. */
const maxLineBytes = 16 * 1024;
const newline = 0x0a;

/**
 * The log file of one container in CRI's format, rotated by size. Source: kubelet `pkg/kubelet/logs/container_log_manager.go`.
 *
 *     2026-01-02T03:04:05.678901234Z stdout F text
 */
export class ContainerLog implements AsyncDisposable {
  readonly path: string;
  readonly #maxBytes: number;
  readonly #maxFiles: number;
  #file: FileHandle | undefined;
  #size = 0;
  #tail: Promise<void> = Promise.resolve();
  readonly #rest: Record<'stdout' | 'stderr', Uint8Array[]> = { stdout: [], stderr: [] };

  constructor(path: string, options: { maxBytes?: number; maxFiles?: number } = {}) {
    this.path = path;
    this.#maxBytes = options.maxBytes ?? 10 * 1024 * 1024;
    this.#maxFiles = options.maxFiles ?? 5;
  }

  /** Resolves once the complete lines of `chunk` are in the file: whoever waits for that keeps memory bounded. */
  append(stream: 'stdout' | 'stderr', chunk: Uint8Array): Promise<void> {
    return this.#inOrder(() => this.#write(this.#format(stream, chunk)));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close({ complete: true });
  }

  /** Writes the last line, where it lacks its newline, and closes the file. Not `complete`: the next agent has the rest of that line. */
  close({ complete }: { complete: boolean }): Promise<void> {
    return this.#inOrder(async () => {
      const lines: Uint8Array[] = [];
      for (const stream of ['stdout', 'stderr'] as const) {
        if (this.#rest[stream].length > 0) this.#line(lines, stream, complete ? 'F' : 'P', new Uint8Array(0));
      }
      await this.#write(lines);
      await this.#file?.close();
      this.#file = undefined;
    });
  }

  #inOrder(work: () => Promise<void>): Promise<void> {
    const done = this.#tail.then(work);
    this.#tail = done.catch(() => {}); // the caller of this append gets the error
    return done;
  }

  #format(stream: 'stdout' | 'stderr', chunk: Uint8Array): Uint8Array[] {
    const lines: Uint8Array[] = [];
    let start = 0;
    while (start < chunk.length) {
      const end = chunk.indexOf(newline, start);
      const stop = end < 0 ? chunk.length : end;
      let room = maxLineBytes - lengthOf(this.#rest[stream]);
      while (stop - start > room) {
        this.#line(lines, stream, 'P', chunk.subarray(start, start + room));
        start += room;
        room = maxLineBytes;
      }
      if (end < 0) {
        this.#rest[stream].push(chunk.slice(start));
        break;
      }
      this.#line(lines, stream, 'F', chunk.subarray(start, end));
      start = end + 1;
    }
    return lines;
  }

  #line(lines: Uint8Array[], stream: 'stdout' | 'stderr', tag: 'F' | 'P', content: Uint8Array): void {
    lines.push(encodeText(`${formatNanoTime()} ${stream} ${tag} `), ...this.#rest[stream], content, newlineBytes);
    this.#rest[stream] = [];
  }

  async #write(lines: readonly Uint8Array[]): Promise<void> {
    if (lines.length === 0 && this.#file) return;
    if (this.#size >= this.#maxBytes) await this.#rotate();
    this.#file ??= await this.#open();
    if (lines.length === 0) return;
    const bytes = Buffer.concat(lines);
    await this.#file.appendFile(bytes);
    this.#size += bytes.length;
  }

  async #open(): Promise<FileHandle> {
    await mkdir(dirname(this.path), { recursive: true, mode: 0o755 });
    const file = await open(this.path, 'a', 0o640);
    this.#size = (await file.stat()).size;
    return file;
  }

  async #rotate(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
    const suffix = new Date().toISOString().replace(/[-:]/g, '').replace('.', '-');
    await rename(this.path, `${this.path}.${suffix}`);
    this.#size = 0;
    const folder = dirname(this.path);
    const older = (await readdir(folder)).filter((name) => name.startsWith(`${basename(this.path)}.`)).sort();
    for (const name of older.slice(0, Math.max(0, older.length - (this.#maxFiles - 1)))) {
      await rm(join(folder, name), { force: true });
    }
  }
}

const newlineBytes = encodeText('\n');

function lengthOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}

const bootNanos = BigInt(Date.now()) * 1_000_000n - process.hrtime.bigint();

/** Now, RFC 3339 with nine decimals in UTC. */
export function formatNanoTime(nanos = bootNanos + process.hrtime.bigint()): string {
  const seconds = new Date(Number(nanos / 1_000_000n)).toISOString().slice(0, 19);
  return `${seconds}.${String(nanos % 1_000_000_000n).padStart(9, '0')}Z`;
}
