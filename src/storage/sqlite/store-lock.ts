import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { StoreError } from '../store.ts';

/**
 * Holds a store's files for this process. The lock is the exclusive lock of an empty SQLite database beside the store: the kernel
 * drops it when the process ends in whatever way, and unlike a lock on the store itself it is taken before the store is touched.
 * The file `.pid` only names the holder; it means nothing when the lock is free.
 */
export class StoreLock implements Disposable {
  readonly #lock: DatabaseSync;
  readonly #pidPath: string;

  /** @throws {StoreError} `Locked`, with the holder's process id */
  constructor(path: string) {
    const lockPath = `${path}.lock`;
    this.#pidPath = `${path}.pid`;
    this.#lock = new DatabaseSync(lockPath, { open: false, timeout: 0 });
    try {
      this.#lock.open();
      this.#lock.exec('BEGIN EXCLUSIVE');
    } catch (error) {
      if (this.#lock.isOpen) this.#lock.close();
      const holder = readHolder(this.#pidPath);
      throw new StoreError('Locked', `Store ${path} is in use by ${holder ? `process ${holder}` : 'another process'}`, {
        cause: error,
      });
    }
    writeFileSync(this.#pidPath, `${process.pid}\n`, { mode: 0o600 });
  }

  [Symbol.dispose](): void {
    rmSync(this.#pidPath, { force: true });
    this.#lock.close();
  }
}

/**
 * Creates the file for its owner alone, if it is missing. SQLite gives its journals the same mode.
 * An existing file is not even opened: closing it would drop every lock that this process has on it.
 */
export function createPrivateFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
}

function readHolder(pidPath: string): string | undefined {
  try {
    return readFileSync(pidPath, 'utf8').trim() || undefined;
  } catch {
    return undefined; // the holder has not yet written it, or has just gone
  }
}
