import { closeSync, openSync, readSync } from 'node:fs';
import { StoreError } from '../store.ts';

/** "FLSt": marks a SQLite file as a Fairlead store. */
export const applicationId = 0x464c5374;

/** The layout that this version reads and writes. Raised when an older Fairlead could no longer read the file rightly. */
export const formatVersion = 1;

/**
 * Looks at a file without letting SQLite near it, which might already write: recover a journal, or move a write-ahead log.
 * @returns whether the file is still empty
 * @throws {StoreError} `Corrupt` when it is not a store, `NewerFormat` when a later Fairlead wrote it
 * Source: https://www.sqlite.org/fileformat2.html, section 1.3
 */
export function checkFileHeader(path: string): boolean {
  const header = Buffer.alloc(100);
  const file = openSync(path, 'r');
  try {
    const length = readSync(file, header);
    if (length === 0) return true;
    if (length < header.length || header.toString('latin1', 0, 16) !== 'SQLite format 3\0') {
      throw new StoreError('Corrupt', `${path} is not a SQLite database`);
    }
  } finally {
    closeSync(file);
  }
  if (header.readUInt32BE(68) !== applicationId) {
    throw new StoreError('Corrupt', `${path} is a SQLite database, but not a Fairlead store`);
  }
  const version = header.readUInt32BE(60);
  if (version > formatVersion) {
    throw new StoreError(
      'NewerFormat',
      `${path} has format ${version}; this version of Fairlead reads up to ${formatVersion}`,
    );
  }
  return false;
}
