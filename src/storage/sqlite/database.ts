import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StoreError } from '../store.ts';
import { applicationId, checkFileHeader, formatVersion } from './file-header.ts';
import { createPrivateFile, StoreLock } from './store-lock.ts';

/**
 * One row for each write; the newest row of a key is its state. `previous` is the revision of the state that the write replaced
 * (0: the key did not exist), which makes compaction a walk over the compacted rows alone. With `deleted` inside, `log_by_key`
 * answers counts without touching the rows.
 */
const schema = `
  CREATE TABLE log (
    revision INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    create_revision INTEGER NOT NULL,
    previous INTEGER NOT NULL,
    version INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    lease TEXT,
    value BLOB
  ) STRICT;
  CREATE INDEX log_by_key ON log (key, revision, deleted);
  CREATE INDEX log_by_lease ON log (lease) WHERE lease IS NOT NULL;
  CREATE TABLE lease (id TEXT PRIMARY KEY, ttl_seconds REAL NOT NULL, expires_at_ms REAL NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL, compacted_revision INTEGER NOT NULL) STRICT;
  INSERT INTO state VALUES (1, 1, 0);
`;

/** The store's file, locked for this process and ready. */
export interface OpenDatabase extends Disposable {
  readonly database: DatabaseSync;
}

/** @throws {StoreError} `Locked`, `Corrupt`, `NewerFormat`; the file is then as it was */
export function openDatabase(path: string): OpenDatabase {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  createPrivateFile(`${path}.lock`);
  const lock = new StoreLock(path);
  try {
    createPrivateFile(path);
    const empty = checkFileHeader(path);
    const database = new DatabaseSync(path, { timeout: 0, enableForeignKeyConstraints: false });
    try {
      // Exclusive: the write-ahead log's index then lives in memory, and no other program changes the file under us.
      database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; PRAGMA cache_size = -16384');
      if (empty) createSchema(database);
      database.exec(
        'PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 1000; PRAGMA journal_size_limit = 67108864',
      );
      return {
        database,
        [Symbol.dispose]() {
          database.close();
          lock[Symbol.dispose]();
        },
      };
    } catch (error) {
      database.close();
      throw error;
    }
  } catch (error) {
    lock[Symbol.dispose]();
    throw translateSqliteError(error, path);
  }
}

/** Before WAL mode, so that the file itself carries the application id and version from its first byte on. */
function createSchema(database: DatabaseSync): void {
  database.exec(
    `BEGIN; PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${formatVersion}; ${schema} COMMIT`,
  );
}

/** What an error of SQLite means for the store. */
export function translateSqliteError(error: unknown, path: string): StoreError {
  if (error instanceof StoreError) return error;
  const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0;
  const message = error instanceof Error ? error.message : String(error);
  const corrupt = code === 11 || code === 26; // SQLITE_CORRUPT, SQLITE_NOTADB
  return new StoreError(corrupt ? 'Corrupt' : 'Failed', `Store ${path}: ${message}`, { cause: error });
}
