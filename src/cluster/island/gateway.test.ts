import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLogger } from '../../lib/log.ts';
import { openGateway } from './gateway.ts';

const directory = mkdtempSync(join(tmpdir(), 'fairlead-gateway-'));
process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
const options = { log: silentLogger };

async function listen(): Promise<{ server: string } & AsyncDisposable> {
  const api = createServer((socket) => socket.end('api server')).listen(0, '127.0.0.1');
  await once(api, 'listening');
  const { port } = api.address() as { port: number }; // it listens on TCP
  return {
    server: `https://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: () => new Promise((resolve) => void api.close(() => resolve())),
  };
}

const read = async (path: string) => Buffer.concat((await connect({ path }).toArray()) as Buffer[]).toString();

test('the gateway leads to the API server, for its user alone, and goes with its end', async () => {
  await using api = await listen();
  const gateway = await openGateway({ directory: join(directory, 'a'), server: api.server }, options);
  assert.equal(await read(gateway.path), 'api server');
  assert.equal(statSync(gateway.path).mode & 0o777, 0o600);
  assert.equal(statSync(join(directory, 'a')).mode & 0o777, 0o700);
  await gateway[Symbol.asyncDispose]();
  assert.equal(existsSync(gateway.path), false);
});

test('what a killed start left is in nobody’s way', async () => {
  await using api = await listen();
  writeFileSync(join(directory, 'api.sock'), 'left');
  await using gateway = await openGateway({ directory, server: api.server }, options);
  assert.equal(await read(gateway.path), 'api server');
});

test('a directory with too long a path has its socket elsewhere, for its user alone, until the end', async () => {
  await using api = await listen();
  const deep = join(directory, 'x'.repeat(100));
  const gateway = await openGateway({ directory: deep, server: api.server }, options);
  assert.ok(Buffer.byteLength(gateway.path) <= 100);
  assert.equal(await read(gateway.path), 'api server');
  const place = join(gateway.path, '..');
  assert.equal(statSync(place).mode & 0o777, 0o700);
  await gateway[Symbol.asyncDispose]();
  assert.equal(existsSync(place), false);
});
