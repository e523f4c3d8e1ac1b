import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

test('the engine works from a bundle that has the worker as a second entry beside it', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'fairlead-bundle-'));
  try {
    const source = (name: string) => fileURLToPath(new URL(name, import.meta.url));
    await build({
      entryPoints: { fairlead: source('sqlite-store.ts'), 'sqlite-worker': source('sqlite-worker.ts') },
      outdir: directory,
      outExtension: { '.js': '.mjs' },
      bundle: true,
      platform: 'node',
      format: 'esm',
      external: ['pino', 'prom-client'],
      logLevel: 'error',
    });
    const script = join(directory, 'use.mjs');
    await writeFile(
      script,
      `import { openSqliteStore } from './fairlead.mjs';
       const store = await openSqliteStore({ path: ${JSON.stringify(join(directory, 'data', 'store.db'))}, log: console });
       console.log(await store.put('/a', new Uint8Array(1)));
       await store[Symbol.asyncDispose]();`,
    );
    const { stdout, stderr } = spawnSync(process.execPath, [script], { encoding: 'utf8' });
    assert.deepEqual([stdout.trim(), stderr], ['2', '']);
  } finally {
    await rm(directory, { recursive: true });
  }
});
