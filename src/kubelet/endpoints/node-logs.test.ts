import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { HttpError } from './kubelet-api.ts';
import { serveNodeLogs } from './node-logs.ts';

/** A server of one directory, which is gone with it. */
async function openLogs() {
  const directory = await mkdtemp(join(tmpdir(), 'fairlead-logs-'));
  const root = join(directory, 'log');
  await mkdir(join(root, 'app'), { recursive: true });
  await writeFile(join(root, 'syslog'), 'one\ntwo\n');
  await writeFile(join(root, 'empty'), '');
  await writeFile(join(root, 'app', '<a>.log'), 'hello');
  await writeFile(join(directory, 'secret'), 'secret');
  await symlink('../secret', join(root, 'escape'));
  await symlink(directory, join(root, 'up'));
  await symlink('syslog', join(root, 'inside'));
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://node');
    const path = url.pathname.split('/').filter(Boolean).map(decodeURIComponent);
    serveNodeLogs({ path, query: url.searchParams, response, root }).catch((error: unknown) => {
      response.writeHead(error instanceof HttpError ? error.status : 500).end(String((error as Error).message));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // it listens on TCP
  return {
    get: async (path: string) => {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`);
      return { status: answer.status, body: await answer.text() };
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(directory, { recursive: true });
    },
  };
}

test('files and directories of the log directory are served', async () => {
  await using logs = await openLogs();
  assert.deepEqual(await logs.get('/syslog'), { status: 200, body: 'one\ntwo\n' });
  assert.deepEqual(await logs.get('/inside'), { status: 200, body: 'one\ntwo\n' });
  assert.deepEqual(await logs.get('/empty'), { status: 200, body: '' });
  assert.deepEqual(await logs.get('/app/%3Ca%3E.log'), { status: 200, body: 'hello' });
  const listing = await logs.get('/');
  assert.match(listing.body, /^<pre>\n<a href="app\/">app\/<\/a>\n/);
  assert.match((await logs.get('/app/')).body, /<a href="%3Ca%3E\.log">&lt;a>\.log<\/a>/);
});

test('nothing outside of the log directory is served, whatever leads there', async () => {
  await using logs = await openLogs();
  for (const path of ['/escape', '/up', '/up/secret', '/none', '/syslog/x']) {
    const { status, body } = await logs.get(path);
    assert.deepEqual([status, body], [404, '404 page not found'], path);
  }
  for (const path of ['/..%2fsecret', '/app%2f..%2f..%2fsecret', '/a%00b']) {
    assert.equal((await logs.get(path)).status, 400, path);
  }
  assert.equal((await logs.get('/?query=kubelet')).status, 403);
});
