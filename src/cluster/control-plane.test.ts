import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { silentLogger } from '../lib/log.ts';
import { openSqliteStore } from '../storage/sqlite/sqlite-store.ts';
import { clusterPaths } from './cluster-directory.ts';
import { startControlPlane } from './control-plane.ts';

test('a control plane that cannot read its keys lets go of its store', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'fairlead-plane-'));
  try {
    const paths = clusterPaths(directory);
    mkdirSync(paths.pki, { recursive: true });
    writeFileSync(join(paths.pki, 'ca.key'), 'not a key');
    const starting = startControlPlane({ paths, host: '127.0.0.1', port: 0 }, { log: silentLogger });
    await assert.rejects(starting, { name: 'ConfigError', message: /ca\.key holds no private key that can be read/ });
    // Locked for as long as the first one has it.
    await using store = await openSqliteStore({ path: paths.store, log: silentLogger });
    assert.ok(store.revision >= 0);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
