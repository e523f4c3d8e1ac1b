import { type FSWatcher, watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Logger } from './log.ts';

export interface WatchedFilesOptions<T> {
  readonly paths: readonly string[];
  /** Makes the value of the files' texts, in the order of `paths`. @throws where they are no good: the value before is kept */
  readonly parse: (texts: readonly string[]) => T;
  readonly log: Logger;
  /** How often the files are read whatever the system tells. @default 10000 */
  readonly intervalMs?: number;
}

/** Files are replaced one after the other, so that a change is looked at only after a moment of quiet. */
const quietMs = 200;

/**
 * A value that is read from files, such as a certificate with its key, and kept up to date. Bad or missing files are logged once and the value stays what it
 * was. Folders are watched, not files: mounted Secrets are replaced by renaming a folder; where watching fails, reading at intervals is enough.
 */
export class WatchedFiles<T> implements AsyncDisposable {
  readonly #options: WatchedFilesOptions<T>;
  readonly #listeners = new Set<(value: T) => void>();
  readonly #watchers: FSWatcher[] = [];
  readonly #interval: NodeJS.Timeout;
  #texts: readonly string[];
  #value: T;
  #complaint = '';
  #quiet: NodeJS.Timeout | undefined;
  #reading: Promise<void> | undefined;
  #again = false;
  #closed = false;

  /** Reads the files for the first time. @throws whatever reading or parsing throws */
  static async open<T>(options: WatchedFilesOptions<T>): Promise<WatchedFiles<T>> {
    const texts = await readAll(options.paths);
    return new WatchedFiles(options, texts, options.parse(texts));
  }

  private constructor(options: WatchedFilesOptions<T>, texts: readonly string[], value: T) {
    this.#options = options;
    this.#texts = texts;
    this.#value = value;
    this.#interval = setInterval(() => void this.refresh(), options.intervalMs ?? 10_000).unref();
    for (const folder of new Set(options.paths.map((path) => dirname(path)))) this.#watch(folder);
  }

  get value(): T {
    return this.#value;
  }

  /** Calls back with each new value. */
  subscribe(listener: (value: T) => void): void {
    this.#listeners.add(listener);
  }

  /** Reads the files now; resolves when the value is as new as they are. */
  async refresh(): Promise<void> {
    if (this.#closed) return;
    this.#again = true;
    this.#reading ??= this.#readWhileAsked().finally(() => {
      this.#reading = undefined;
    });
    await this.#reading;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearInterval(this.#interval);
    clearTimeout(this.#quiet);
    for (const watcher of this.#watchers) watcher.close();
    this.#listeners.clear();
    await this.#reading;
  }

  #watch(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, () => {
        clearTimeout(this.#quiet);
        this.#quiet = setTimeout(() => void this.refresh(), quietMs).unref();
      });
      watcher.on('error', (error) => this.#options.log.debug('A folder is watched no more', { folder, error }));
      this.#watchers.push(watcher);
    } catch (error) {
      this.#options.log.debug('A folder cannot be watched', { folder, error });
    }
  }

  async #readWhileAsked(): Promise<void> {
    while (this.#again && !this.#closed) {
      this.#again = false;
      await this.#readOnce();
    }
  }

  async #readOnce(): Promise<void> {
    const { paths, parse, log } = this.#options;
    try {
      const texts = await readAll(paths);
      if (texts.every((text, at) => text === this.#texts[at])) {
        this.#complaint = '';
        return;
      }
      const value = parse(texts);
      if (this.#closed) return;
      this.#texts = texts;
      this.#value = value;
      this.#complaint = '';
      log.info('Files were replaced and are in use', { paths });
      for (const listener of this.#listeners) listener(value);
    } catch (error) {
      const complaint = String(error);
      if (complaint === this.#complaint || this.#closed) return;
      this.#complaint = complaint;
      log.error('Files cannot be used; what was read before stays in use', { paths, error });
    }
  }
}

function readAll(paths: readonly string[]): Promise<string[]> {
  return Promise.all(paths.map((path) => readFile(path, 'utf8')));
}
