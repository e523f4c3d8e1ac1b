import type { IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { relay } from '../../stream/relay.ts';
import { requestUpgrade } from '../../stream/request-upgrade.ts';
import { tuneSocket } from '../../stream/upgrade.ts';
import { UpgradeRefused } from '../../stream/upgrade-refused.ts';
import type { Backend } from '../backends/backend.ts';
import type { BackendPool } from '../backends/backend-pool.ts';
import type { RequestContext, Upgrade } from '../exchange.ts';
import { sendText } from '../respond.ts';
import { answerHeaders, requestHeaders } from './forwarded-headers.ts';
import { userHeaders } from './user-headers.ts';

/**
 * Passes a request on to an extension API server and its answer back, watches and upgrades included. Credentials are replaced by the
 * front proxy's word about who the user is. @throws {BackendError}
 */
export async function proxyApi(
  context: RequestContext,
  { backend, pool }: { backend: Backend; pool: BackendPool },
): Promise<void> {
  const { exchange, user } = context;
  const headers = {
    ...requestHeaders(exchange.headers, {
      remoteAddress: exchange.socket.remoteAddress,
      host: String(exchange.headers['host'] ?? exchange.headers[':authority'] ?? ''),
    }),
    ...userHeaders(user),
  };
  if (exchange.upgrade) return proxyUpgrade(context, exchange.upgrade, { backend, pool, headers });
  const bodiless = exchange.method === 'GET' || exchange.method === 'HEAD';
  const response = await pool.request(backend, {
    method: exchange.method,
    path: exchange.url,
    headers,
    ...(!bodiless && { body: exchange.bodyStream() }),
    signal: exchange.signal,
  });
  const { statusCode = 502 } = response;
  if (isRedirect(statusCode, response.headers.location)) {
    response.destroy();
    return refuseRedirect(context);
  }
  await passOn(context, response, statusCode);
}

async function passOn({ exchange }: RequestContext, response: IncomingMessage, status: number): Promise<void> {
  const target = exchange.stream(status, answerHeaders(response.headers));
  try {
    await pipeline(response, target);
  } catch (error) {
    // The client went away, or the backend broke off: the client sees it as its own connection's end.
    response.destroy();
    target.destroy();
    if (!exchange.signal.aborted) throw error;
  }
}

interface UpgradeTarget {
  readonly backend: Backend;
  readonly pool: BackendPool;
  readonly headers: ReturnType<typeof requestHeaders>;
}

async function proxyUpgrade(
  context: RequestContext,
  { request, socket, head }: Upgrade,
  { backend, pool, headers }: UpgradeTarget,
): Promise<void> {
  const { exchange } = context;
  const transport = await pool.connect(backend, { signal: exchange.signal });
  const asked: Record<string, string | readonly string[]> = { connection: 'Upgrade' };
  for (const [name, value] of Object.entries({ ...headers, upgrade: request.headers.upgrade })) {
    if (value !== undefined) asked[name] = typeof value === 'number' ? String(value) : value;
  }
  let upgraded: Awaited<ReturnType<typeof requestUpgrade>>;
  try {
    const options = { method: exchange.method, path: exchange.url, host: backend.authority, signal: exchange.signal };
    upgraded = await requestUpgrade(transport, { ...options, headers: asked });
  } catch (error) {
    exchange.closeConnection();
    if (!(error instanceof UpgradeRefused)) throw error;
    if (isRedirect(error.status, error.headers.location)) return refuseRedirect(context);
    if (error.status < 400) {
      return sendText(exchange, 500, `invalid upgrade response: status code ${error.status}\n`);
    }
    const type = error.headers['content-type'];
    exchange.respond(error.status, type === undefined ? {} : { 'content-type': type }, error.body);
    return;
  }
  const lines = ['HTTP/1.1 101 Switching Protocols'];
  for (const [name, value] of Object.entries(upgraded.headers)) {
    for (const each of [value ?? []].flat()) lines.push(`${name}: ${each}`);
  }
  tuneSocket(socket);
  tuneSocket(upgraded.socket);
  socket.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  if (head.length > 0) socket.unshift(head);
  if (upgraded.head.length > 0) upgraded.socket.unshift(upgraded.head);
  await relay(socket, upgraded.socket);
}

function isRedirect(status: number, location: string | undefined): boolean {
  return status >= 300 && status < 400 && location !== undefined && location !== '';
}

/** A client that followed would take its credentials there (CVE-2022-3172). */
function refuseRedirect({ exchange }: RequestContext): void {
  sendText(exchange, 502, 'the backend attempted to redirect this request, which is not permitted\n');
}
