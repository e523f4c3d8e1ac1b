import http2, { type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { decodeGrpcMessage } from '../../wire/grpc.ts';
import { extensionsHeader, formatExtensions } from '../extensions.ts';
import { pingRegularly } from '../ping.ts';
import { handshakeTimeoutMs, sessionOptions, sessionWindowBytes } from '../session-settings.ts';
import type { AgentConfig } from './agent-config.ts';

/** An open `Connect` stream of upstream's protocol, with what the server said about itself. */
export interface GrpcLink {
  readonly session: ClientHttp2Session;
  readonly stream: ClientHttp2Stream;
  readonly serverId: string;
  readonly serverCount: number;
  readonly headers: IncomingHttpHeaders;
}

const pingTimeoutMs = 20_000;

export interface GrpcLinkOptions {
  readonly config: AgentConfig;
  readonly token: string | undefined;
  readonly signal: AbortSignal;
  /** For the whole handshake. */
  readonly deadline: AbortSignal;
}

/** Registers at a server. The stream is not read yet. @throws an error with the server's own status where it refuses */
export async function openGrpcLink(
  socket: TLSSocket,
  { config, token, signal, deadline }: GrpcLinkOptions,
): Promise<GrpcLink> {
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
