import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { silentLogger } from '../../lib/log.ts';
import { storeSuite } from '../store-suite.ts';
import { openSqliteStore } from './sqlite-store.ts';

const directory = await mkdtemp(join(tmpdir(), 'fairlead-store-'));
after(() => rm(directory, { recursive: true }));
let opened = 0;

storeSuite('sqlite', (options) =>
  openSqliteStore({ ...options, path: join(directory, `${opened++}`, 'store.db'), log: silentLogger }),
);
