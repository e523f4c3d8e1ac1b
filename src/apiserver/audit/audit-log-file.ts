import { type FileHandle, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import type { Clock } from '../../lib/clock.ts';

/** Where audit lines go. */
export interface AuditSink extends AsyncDisposable {
  /** Resolves when the lines are handed to the operating system. */
  write(lines: string): Promise<void>;
}

export interface AuditLogFileOptions {
  path: string;
  /** A file that would grow larger is put aside. @default 100 */
  maxSizeMb?: number;
  /** Old files kept; 0 keeps all. @default 0 */
  maxBackups?: number;
  /** Days after which an old file is deleted; 0 never deletes. @default 0 */
  maxAgeDays?: number;
  clock: Clock;
}

/**
 * A log file that only its owner can read, with upstream's rotation: `audit.log` becomes `audit-2026-01-02T03-04-05.678.log`.
 */
export class AuditLogFile implements AuditSink {
  readonly #options: AuditLogFileOptions;
  #file: FileHandle;
  #bytes: number;

  private constructor(options: AuditLogFileOptions, file: FileHandle, bytes: number) {
    this.#options = options;
    this.#file = file;
    this.#bytes = bytes;
  }

  static async open(options: AuditLogFileOptions): Promise<AuditLogFile> {
    const file = await openPrivate(options.path);
    return new AuditLogFile(options, file, (await file.stat()).size);
  }

  async write(lines: string): Promise<void> {
    const bytes = Buffer.from(lines);
    const maxBytes = (this.#options.maxSizeMb || 100) * 1024 * 1024;
    if (this.#bytes > 0 && this.#bytes + bytes.length > maxBytes) await this.#rotate();
    await this.#file.appendFile(bytes);
    this.#bytes += bytes.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }

  async #rotate(): Promise<void> {
    const { path, clock } = this.#options;
    await this.#file.close();
    const time = new Date(clock.now()).toISOString().slice(0, 23).replaceAll(':', '-');
    await rename(path, join(dirname(path), `${this.#stem}-${time}${extname(path)}`));
    this.#file = await openPrivate(path);
    this.#bytes = 0;
    await this.#prune();
  }

  async #prune(): Promise<void> {
    const { path, maxBackups = 0, maxAgeDays = 0, clock } = this.#options;
    const pattern = /^-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}$/;
    const names = (await readdir(dirname(path))).filter((name) => {
      const middle = name.slice(this.#stem.length, name.length - extname(path).length);
      return name.startsWith(this.#stem) && name.endsWith(extname(path)) && pattern.test(middle);
    });
    // The time in the name sorts as text.
    const newestFirst = names.sort().reverse();
    const oldest = maxAgeDays > 0 ? clock.now() - maxAgeDays * 86_400_000 : 0;
    for (const [index, name] of newestFirst.entries()) {
      const file = join(dirname(path), name);
      const surplus = maxBackups > 0 && index >= maxBackups;
      if (surplus || (await stat(file)).mtimeMs < oldest) await unlink(file);
    }
  }

  get #stem(): string {
    return basename(this.#options.path, extname(this.#options.path));
  }
}

/** Lines to standard output, for `--audit-log-path=-`. */
export const standardOutputSink: AuditSink = {
  write: (lines) =>
    new Promise((resolve, reject) => {
      process.stdout.write(lines, (error) => (error ? reject(error) : resolve()));
    }),
  async [Symbol.asyncDispose]() {},
};

function openPrivate(path: string): Promise<FileHandle> {
  return open(path, 'a', 0o600);
}
