import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Logger, silentLogger } from '../../lib/log.ts';
import { IslandProcess } from './island-process.ts';
import type { IslandStart } from './messages.ts';
import { probeIsland } from './probe-island.ts';

const probe = await probeIsland();
const skip = !probe.ok && `no islands here: ${probe.reason}`;
if (skip) console.log(`# ${skip}`);

const directory = mkdtempSync(join(tmpdir(), 'fairlead-island-'));
process.once('exit', () => rmSync(directory, { recursive: true, force: true }));

const island = (namespaceDirectory: string, log: Logger = silentLogger) =>
  new IslandProcess({ namespaceDirectory, stopTimeoutMs: 20_000, log });

test('an island that is stopped before it was told to start ends in order', { skip }, async () => {
  const errors: string[] = [];
  const stopped = island(directory, { ...silentLogger, error: (message) => void errors.push(message) });
  assert.ok(existsSync(`/proc/${stopped.pid}`));
  await stopped[Symbol.asyncDispose]();
  await stopped.ended;
  await assert.rejects(stopped.ready, /The island has ended \(exit 0\)/);
  assert.deepEqual(errors, []);
});

test('an island that cannot be made says why', { skip }, async () => {
  const errors: string[] = [];
  const log: Logger = { ...silentLogger, error: (message) => void errors.push(message) };
  await using failed = island(join(directory, 'missing'), log);
  await assert.rejects(failed.listening, /The island has ended \(exit 125\): mount: .*mount point does not exist/);
  assert.deepEqual(errors, ['The island has ended']);
});

test('what stops a node inside is told outside, as the error that it was', { skip }, async () => {
  await using failed = island(directory);
  const start: IslandStart = {
    type: 'start',
    name: 'Not A Name',
    dataDirectory: directory,
    namespaceDirectory: directory,
    address: '172.16.0.9',
    server: 'https://127.0.0.1:1',
    gateway: join(directory, 'missing.sock'),
    apiServerPlaces: [{ host: '127.0.0.1', port: 1 }],
    serviceRanges: [],
    proxy: { ca: '', certificate: { certificate: '', key: '' } },
    runtime: 'simulated',
    images: {},
    labels: {},
    verbose: false,
  };
  failed.start(start);
  await assert.rejects(failed.listening, { name: 'ConfigError', message: /Not A Name/ });
  await failed.ended;
});

test('an island whose first process is killed is gone as a whole', { skip }, async () => {
  await using killed = island(directory);
  if (killed.pid !== undefined) process.kill(killed.pid, 'SIGKILL');
  await killed.ended;
  await assert.rejects(killed.ready, /SIGKILL/);
});
