import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from '../../lib/log.ts';
import { listenForwarder } from './forwarder.ts';

export interface Gateway extends AsyncDisposable {
  /** Of the Unix socket. */
  readonly path: string;
}

/** The kernel takes 107 bytes for the path of a Unix socket. */
const maxPathBytes = 100;

/**
 * The one way out of an island: a Unix socket, which other network namespaces can reach too, that leads to the API server's port and nowhere else.
 * Only this user can open it.
 */
export async function openGateway(
  { directory, server }: { directory: string; server: string },
  { log }: { log: Logger },
): Promise<Gateway> {
  await using parts = new AsyncDisposableStack();
  const { hostname, port } = new URL(server);
  const place = await socketPlace(directory, parts);
  const path = join(place, 'api.sock');
  await rm(path, { force: true }); // of a start that was killed
  const target = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 443) };
  parts.use(await listenForwarder({ listen: { path }, target, log }));
  await chmod(path, 0o600);
  const owned = parts.move();
  return { path, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** The node's own directory, or a short one where its path is too long for a socket. */
async function socketPlace(directory: string, parts: AsyncDisposableStack): Promise<string> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  if (Buffer.byteLength(join(directory, 'api.sock')) <= maxPathBytes) return directory;
  const hash = createHash('sha256').update(directory).digest('hex').slice(0, 8);
  const place = await mkdtemp(join(tmpdir(), `fairlead-${hash}-`));
  parts.defer(() => rm(place, { recursive: true, force: true }));
  return place;
}
