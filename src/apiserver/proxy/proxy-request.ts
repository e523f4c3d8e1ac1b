import type { ClientRequest, IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { ApiError, badRequest } from '../../api/errors.ts';
import { messageOf } from '../../lib/error-message.ts';
import { request as httpRequest } from '../../lib/node-http.ts';
import type { Exchange, RequestContext } from '../exchange.ts';
import type { ProxyConnections } from './proxy-connections.ts';
import { forwardedHeaders, hostOf, returnedHeaders, warningTexts } from './proxy-headers.ts';
import type { ProxyTarget } from './proxy-target.ts';
import { rewritePage } from './rewrite-page.ts';
import { rewriteLocation } from './rewrite-url.ts';

export interface ProxyRequestOptions {
  readonly target: ProxyTarget;
  /** The client's path up to and including `/proxy`. */
  readonly prefix: string;
  readonly pool: ProxyConnections;
  readonly isIdentity: (name: string) => boolean;
}

const maxAnswerHeaderBytes = 1024 * 1024;

/**
 * Sends the client's request to the backend and its answer back, bodies as they flow. Redirects are handed to the client, never followed.
 * Returns the answer's status. @throws {ApiError} 503 where the backend is not reached or gives no answer
 */
export async function proxyRequest(context: RequestContext, options: ProxyRequestOptions): Promise<number> {
  const { exchange } = context;
  const { target, pool, prefix } = options;
  const answer = await exchangeHeads(exchange, options).catch((cause: unknown) => {
    if (cause instanceof ApiError && cause.code < 500) throw cause;
    const message = `error trying to reach service: ${reasonOf(cause)}`;
    throw new ApiError('ServiceUnavailable', message, { cause });
  });
  pool.remember(answer.socket, [answer.headers['keep-alive'] ?? []].flat().join());
  for (const text of warningTexts(answer.headers['warning'])) context.warn(text);
  const rewriting = { prefix, backendHost: target.authority, clientHost: hostOf(exchange.headers) };
  const status = answer.statusCode ?? 0;
  const headers = returnedHeaders(answer.headers);
  const { location } = answer.headers;
  try {
    if (location !== undefined) headers['location'] = rewriteLocation(location, rewriting);
  } catch (error) {
    answer.destroy();
    throw error;
  }
  const page = location === undefined ? rewritePage(answer, rewriting) : [];
  if (page.length > 0) delete headers['content-length'];
  const body = exchange.stream(status, headers);
  if (exchange.method === 'HEAD' || status === 204 || status === 304) {
    answer.resume();
    body.end();
    return status;
  }
  // A client that went away or a backend that was lost cuts the answer off: that is how the client sees it.
  await pipeline([answer, ...page, body]).catch(() => answer.destroy());
  return status;
}

/** Sends the request, body included, and waits for the head of the answer. */
async function exchangeHeads(exchange: Exchange, options: ProxyRequestOptions): Promise<IncomingMessage> {
  const { target, pool } = options;
  const bodiless = !hasBody(exchange);
  try {
    return await sendOnce(exchange, { ...options, bodiless, route: pool.through(target) });
  } catch (error) {
    // An idle connection may be closed by its server just when it is used; nothing was answered, and nothing is lost by asking again.
    const stale = error instanceof StaleConnection && bodiless && repeatable.has(exchange.method);
    if (!stale || exchange.signal.aborted) throw error;
  }
  const connection = await target.open();
  return sendOnce(exchange, { ...options, bodiless, route: { createConnection: () => connection } });
}

const repeatable: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** A connection that had been kept ended before it answered. */
class StaleConnection extends Error {
  override readonly name = 'StaleConnection';
}

interface Sending extends ProxyRequestOptions {
  readonly bodiless: boolean;
  readonly route: object;
}

function sendOnce(exchange: Exchange, sending: Sending): Promise<IncomingMessage> {
  const { target, prefix, isIdentity, bodiless, route } = sending;
  return new Promise((resolve, reject) => {
    const headers = forwardedHeaders(exchange.headers, {
      clientAddress: exchange.socket.remoteAddress,
      isIdentity,
      forwardedUri: forwardedUri(prefix, target.path),
    });
    const length = headers['content-length'];
    if (length !== undefined && !/^\d+$/.test(String(length))) throw badRequest('the content length is no number');
    if (bodiless) delete headers['transfer-encoding'];
    else if (length === undefined) headers['transfer-encoding'] = 'chunked';
    const request = httpRequest({
      ...route,
      method: exchange.method,
      path: target.path,
      headers,
      setHost: false,
      maxHeaderSize: maxAnswerHeaderBytes,
    });
    const { signal } = exchange;
    const abandon = () => request.destroy(signal.reason);
    const settle = () => signal.removeEventListener('abort', abandon);
    signal.addEventListener('abort', abandon, { once: true });
    if (signal.aborted) abandon();
    request.on('error', (error) => {
      settle();
      if (!bodiless) exchange.bodyStream().unpipe(request).resume();
      reject(request.reusedSocket ? new StaleConnection(error.message, { cause: error }) : error);
    });
    request.on('upgrade', (_response, socket) => {
      settle();
      socket.destroy();
      reject(new Error('the backend changed the protocol, which nobody asked for'));
    });
    request.on('response', (response) => {
      response.once('close', settle);
      resolve(response);
    });
    sendBody(exchange, request, bodiless);
  });
}

function sendBody(exchange: Exchange, request: ClientRequest, bodiless: boolean): void {
  if (bodiless) {
    request.end();
    return;
  }
  request.flushHeaders();
  const body = exchange.bodyStream();
  body.on('error', (error) => request.destroy(error));
  body.pipe(request);
}

/** Whether the request announced a body. */
function hasBody(exchange: Exchange): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = exchange.headers;
  if (encoding !== undefined) return true;
  if (length !== undefined) return length !== '0';
  // An HTTP/2 stream tells whether it ended with its headers; an HTTP/1.1 message without either header has no body.
  const stream = exchange.bodyStream() as { endAfterHeaders?: boolean };
  return stream.endAfterHeaders === false;
}

/** The resource's path with the backend's behind it. */
function forwardedUri(prefix: string, path: string): string {
  const mark = path.indexOf('?');
  return prefix + (mark < 0 ? path : path.slice(0, mark));
}

function reasonOf(error: unknown): string {
  return messageOf(error).replace(/^error dialing backend: /, '');
}
