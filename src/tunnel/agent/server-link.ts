import http2, { type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders } from 'node:http2';
import { isIP } from 'node:net';
import tls, { type TLSSocket } from 'node:tls';
import { decodeGrpcMessage } from '../../wire/grpc.ts';
import { extensionsHeader, formatExtensions } from '../extensions.ts';
import { pingRegularly } from '../ping.ts';
import { handshakeTimeoutMs, sessionOptions, sessionWindowBytes } from '../session-settings.ts';
import type { AgentConfig } from './agent-config.ts';
import { resolveAddress } from './resolve-address.ts';

/** An open `Connect` stream, with what the server said about itself. */
export interface ServerLink {
  readonly session: ClientHttp2Session;
  readonly stream: ClientHttp2Stream;
  readonly serverId: string;
  readonly serverCount: number;
  readonly headers: IncomingHttpHeaders;
}

const pingTimeoutMs = 20_000;

/** Connects to a server and registers there. The stream is not read yet. @throws an error with the server's own status where it refuses */
export async function openServerLink(config: AgentConfig, signal: AbortSignal): Promise<ServerLink> {
  const token = await config.readToken?.();
  const deadline = AbortSignal.timeout(handshakeTimeoutMs);
  const socket = await connectTls(config, signal, deadline);
  const session = http2.connect(`https://${config.server.host}`, { ...sessionOptions, createConnection: () => socket });
  session.on('error', () => {}); // each stream and the caller hear of it by 'close'
  session.once('connect', () => session.setLocalWindowSize(sessionWindowBytes));
  try {
    const stream = session.request(
      {
        ':method': 'POST',
        ':path': '/AgentService/Connect',
        ':authority': `${config.server.host}:${config.server.port}`,
        'content-type': 'application/grpc',
        te: 'trailers',
        'user-agent': 'fairlead',
        agentid: config.agentId,
        agentidentifiers: config.identifiers ?? '',
        [extensionsHeader]: formatExtensions(),
        ...(token !== undefined && { authorization: `Bearer ${token.trim()}` }),
      },
      { endStream: false },
    );
    const headers = await responseHeaders(stream, session, signal, deadline);
    if (headers['grpc-status'] !== undefined) throw refusalOf(headers);
    const serverId = headers['serverid'];
    const serverCount = Number(headers['servercount']);
    if (typeof serverId !== 'string' || serverId.includes(', ')) {
      throw new Error(`expected one server ID in the context, got [${serverId ?? ''}]`);
    }
    if (!Number.isSafeInteger(serverCount)) {
      throw new Error(`expected one server count in the context, got [${headers['servercount'] ?? ''}]`);
    }
    pingRegularly(session, {
      intervalMs: config.keepaliveMs ?? 35_000,
      timeoutMs: config.pingTimeoutMs ?? pingTimeoutMs,
    });
    return { session, stream, serverId, serverCount, headers };
  } catch (error) {
    session.destroy();
    throw error;
  }
}

async function connectTls(config: AgentConfig, signal: AbortSignal, deadline: AbortSignal): Promise<TLSSocket> {
  const { host, port, serverName = host } = config.server;
  const { ca, certificate, alpnProtocols = [] } = config.tls;
  const raw = await config.openSocket?.(config.server, { signal });
  const place = raw ? { socket: raw } : { host: await resolveAddress(host), port };
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      ...place,
      ...(isIP(serverName) === 0 && { servername: serverName }),
      checkServerIdentity: (_, peer) => tls.checkServerIdentity(serverName, peer),
      ca,
      ...(certificate && { cert: certificate.certificate, key: certificate.key }),
      ALPNProtocols: [...alpnProtocols, 'h2'],
      minVersion: 'TLSv1.2',
    });
    const end = () => {
      signal.removeEventListener('abort', onAbort);
      deadline.removeEventListener('abort', onDeadline);
    };
    const fail = (error: unknown) => {
      end();
      socket.destroy();
      reject(error);
    };
    const onAbort = () => fail(signal.reason);
    const onDeadline = () => fail(new Error(`no TLS handshake with ${host}:${port} within ${handshakeTimeoutMs} ms`));
    signal.addEventListener('abort', onAbort, { once: true });
    deadline.addEventListener('abort', onDeadline, { once: true });
    if (signal.aborted) onAbort();
    socket.on('error', fail);
    socket.setNoDelay(true);
    socket.once('secureConnect', () => {
      end();
      if (socket.alpnProtocol === 'h2') resolve(socket);
      else fail(new Error(`${host}:${port} does not speak HTTP/2 (ALPN chose ${socket.alpnProtocol || 'nothing'})`));
    });
  });
}

function responseHeaders(
  stream: ClientHttp2Stream,
  session: ClientHttp2Session,
  signal: AbortSignal,
  deadline: AbortSignal,
): Promise<IncomingHttpHeaders> {
  return new Promise((resolve, reject) => {
    const cleanup = new AbortController();
    const settle = (act: () => void) => {
      cleanup.abort();
      act();
    };
    const once = { once: true, signal: cleanup.signal };
    stream.on('error', (error) => settle(() => reject(error)));
    session.once('close', () => settle(() => reject(new Error('the connection ended during the handshake'))));
    signal.addEventListener('abort', () => settle(() => reject(signal.reason)), once);
    const late = () => new Error(`no answer to Connect within ${handshakeTimeoutMs} ms`);
    deadline.addEventListener('abort', () => settle(() => reject(late())), once);
    stream.once('response', (headers) => settle(() => resolve(headers)));
  });
}

function refusalOf(headers: IncomingHttpHeaders): Error {
  const message = decodeGrpcMessage(String(headers['grpc-message'] ?? ''));
  return new Error(`the server refused the agent: ${message} (gRPC status ${headers['grpc-status']})`);
}
