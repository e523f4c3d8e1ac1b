import { badRequest } from '../../api/errors.ts';
import { relay } from '../../stream/relay.ts';
import { tuneSocket } from '../../stream/upgrade.ts';
import { UpgradeRefused } from '../../stream/upgrade-refused.ts';
import type { RequestContext, Upgrade } from '../exchange.ts';
import type { KubeletConnector } from './kubelet-connector.ts';
import { refusedUpgrade } from './kubelet-refusal.ts';

/** What goes on to the kubelet: how to speak, and nothing about who asks. */
const forwardedHeaders = [
  'connection',
  'upgrade',
  'x-stream-protocol-version',
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-protocol',
  'sec-websocket-extensions',
  'user-agent',
];
const returnedHeaders = [
  'upgrade',
  'connection',
  'x-stream-protocol-version',
  'sec-websocket-accept',
  'sec-websocket-protocol',
  'sec-websocket-extensions',
];

export interface ProxyTarget {
  readonly kubelet: KubeletConnector;
  readonly nodeName: string;
  /** The kubelet's path with query. */
  readonly path: string;
}

/** The upgrade that the client asks for. @throws {ApiError} 400 where it asks for none */
export function requireUpgrade({ exchange }: RequestContext): Upgrade {
  if (!exchange.upgrade) throw badRequest('Upgrade request required');
  return exchange.upgrade;
}

/** An error of the way to the kubelet as the client is told it. */
export function asKubeletError(error: unknown, nodeName: string): unknown {
  if (!(error instanceof UpgradeRefused)) return error;
  return refusedUpgrade({ nodeName, status: error.status, body: error.body.toString('utf8') });
}

/**
 * Gives the client's upgrade to the kubelet and then carries bytes, not looking at them.
 * When the kubelet refuses, its connection is closed before the client is told, and the client's is closed behind the answer.
 */
export async function proxyUpgrade(context: RequestContext, { kubelet, nodeName, path }: ProxyTarget): Promise<void> {
  const { request, socket, head } = requireUpgrade(context);
  const { exchange } = context;
  const headers: Record<string, string | string[]> = {};
  for (const name of forwardedHeaders) {
    const value = request.headers[name];
    if (value !== undefined) headers[name] = value;
  }
  if (socket.remoteAddress !== undefined) headers['x-forwarded-for'] = socket.remoteAddress;
  const backend = await kubelet
    .upgrade(nodeName, { method: exchange.method, path, headers, signal: exchange.signal })
    .catch((error: unknown) => {
      exchange.closeConnection();
      throw asKubeletError(error, nodeName);
    });
  const lines = ['HTTP/1.1 101 Switching Protocols'];
  for (const name of returnedHeaders) {
    const value = backend.headers[name];
    if (value !== undefined) lines.push(`${name}: ${String(value)}`);
  }
  tuneSocket(socket);
  tuneSocket(backend.socket);
  socket.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  exchange.upgraded();
  if (head.length > 0) socket.unshift(head);
  if (backend.head.length > 0) backend.socket.unshift(backend.head);
  await relay(socket, backend.socket);
}
