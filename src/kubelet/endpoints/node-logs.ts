import { constants } from 'node:fs';
import { type FileHandle, open, readdir, readlink, realpath } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { join, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { HttpError } from './kubelet-api.ts';

/** More entries of a directory are left out. */
const maxEntries = 10_000;

export interface NodeLogsRequest {
  /** Segments behind `/logs`, decoded. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
  readonly response: ServerResponse;
  /** @default /var/log */
  readonly root?: string;
}

/**
 * `/logs/`: the machine's log directory, as far as the agent's user may read it. What a link leads to outside of it is not served: pods that may
 * write there would otherwise read the node's files. Queries of services are not answered.
 * @throws {HttpError}
 */
export async function serveNodeLogs(request: NodeLogsRequest): Promise<void> {
  const { path, query, response } = request;
  if (query.has('query')) throw new HttpError(403, 'log queries are not enabled on this node');
  if (path.some((segment) => segment === '..' || segment === '.' || /[/\0]/.test(segment))) {
    throw new HttpError(400, 'invalid path');
  }
  try {
    const root = await realpath(request.root ?? '/var/log');
    const real = await realpath(join(root, ...path));
    await using file = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const handle = process.platform === 'linux' ? `/proc/self/fd/${file.fd}` : undefined;
    // What was really opened, whatever has been moved or linked since its path was looked up.
    const opened = handle === undefined ? real : await readlink(handle);
    if (opened !== root && !opened.startsWith(root + sep)) throw new HttpError(404, '404 page not found');
    const stats = await file.stat();
    if (stats.isDirectory()) await sendDirectory(response, handle ?? real);
    else if (stats.isFile()) await sendFile(response, file, stats.size);
    else throw new HttpError(404, '404 page not found');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP') throw new HttpError(404, '404 page not found');
    if (code === 'EACCES') throw new HttpError(403, 'the node agent may not read this');
    throw error;
  }
}

async function sendDirectory(response: ServerResponse, directory: string): Promise<void> {
  const entries = await readdir(directory, { withFileTypes: true });
  const names = entries.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name)).sort();
  const lines = names.slice(0, maxEntries).map((name) => {
    const link = name.split('/').map(encodeURIComponent).join('/');
    return `<a href="${link}">${escapeHtml(name)}</a>\n`;
  });
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'x-content-type-options': 'nosniff' });
  response.end(`<pre>\n${lines.join('')}</pre>\n`);
}

async function sendFile(response: ServerResponse, file: FileHandle, size: number): Promise<void> {
  response.writeHead(200, {
    'content-type': 'text/plain; charset=utf-8',
    'x-content-type-options': 'nosniff',
    'content-length': size,
  });
  if (size === 0) return void response.end();
  // A file that grows meanwhile is sent as long as it was.
  await pipeline(file.createReadStream({ end: size - 1, autoClose: false }), response).catch(() => response.destroy());
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&#34;');
}
