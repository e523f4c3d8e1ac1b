import {
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';
import { ProtocolError } from '../../lib/protocol-error.ts';
import { writeBehind } from '../../stream/write-behind.ts';
import { decodeGrpcMessage } from '../../wire/grpc.ts';
import type { ServerLink } from '../agent/agent-connection.ts';
import { handshakeTimeoutMs } from '../session-settings.ts';
import { ControlChannel } from './control-channel.ts';
import {
  helloPath,
  nativeSessionOptions,
  nativeSessionWindowBytes,
  nativeVersion,
  refusedLine,
  versionHeader,
  welcomeLine,
} from './native-protocol.ts';
import { TunnelService } from './tunnel-service.ts';

export interface ServeTunnelOptions {
  readonly agentId: string;
  /** As they are sent. */
  readonly identifiers: string;
  readonly token: string | undefined;
  /** Whether there is a connection to this server already. */
  readonly isConnected: (serverId: string) => boolean;
  /** Gives up until the server has let the agent in. */
  readonly signal: AbortSignal;
  readonly deadline: AbortSignal;
}

interface Hello {
  readonly stream: ServerHttp2Stream;
  readonly serverId: string;
  readonly serverCount: number;
}

/** Streams that a server may open before it is served. */
const maxEarlyStreams = 1000;
const discardMs = 1000;

/**
 * The agent's end of a native tunnel: serves HTTP/2 on the connection that it opened. Resolves when the server has let it in, or is one that is
 * connected already.
 * @throws {ProtocolError} where the peer does not begin as it must; any other error where it refuses, goes or is late
 */
export async function serveTunnel(socket: Socket, options: ServeTunnelOptions): Promise<ServerLink> {
  // One end must never wait with reading until its writes are through, or two that push at each other stop for good.
  const session = performServerHandshake(writeBehind(socket), nativeSessionOptions);
  session.setLocalWindowSize(nativeSessionWindowBytes);
  const early: [ServerHttp2Stream, IncomingHttpHeaders][] = [];
  const keep = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on('error', () => {}); // whoever serves it hears of its end
    if (early.length < maxEarlyStreams) early.push([stream, headers]);
    else stream.close();
  };
  try {
    const { stream, serverId, serverCount } = await heard<Hello>(session, options, (settle) => {
      session.once('stream', (opened: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
        session.on('stream', keep);
        opened.on('error', () => {}); // told by the session's end
        settle(() => parseHello(opened, headers));
      });
    });
    const discard = () => {
      session.close();
      setTimeout(() => session.destroy(), discardMs).unref();
    };
    if (options.isConnected(serverId)) {
      if (!stream.destroyed) stream.respond({ ':status': 409 }, { endStream: true });
      discard();
      return {
        serverId,
        serverCount,
        discard,
        serve: () => {
          throw new Error(`server ${serverId} is connected already`);
        },
      };
    }
    const { agentId, identifiers, token } = options;
    const control = new ControlChannel(stream);
    const welcomed = heard(session, options, (settle) => {
      control.listen({
        onLine: (line) => settle(() => checkWelcome(line)),
        onEnd: (error) =>
          settle(() => {
            throw error ?? new Error('the server ended the connection during the handshake');
          }),
      });
    });
    if (!stream.destroyed) {
      stream.respond({
        ':status': 200,
        [versionHeader]: nativeVersion,
        agentid: agentId,
        agentidentifiers: identifiers,
        ...(token !== undefined && { authorization: `Bearer ${token.trim()}` }),
      });
    }
    await welcomed;
    return {
      serverId,
      serverCount,
      discard,
      serve: (serving) => {
        session.off('stream', keep);
        return new TunnelService({ session, socket, control, serverId, early }, serving);
      },
    };
  } catch (error) {
    session.destroy();
    throw error;
  }
}

/** Waits for what `begin` settles with, the end of the session, the signal or the deadline, whichever is first. */
function heard<T>(
  session: ServerHttp2Session,
  { signal, deadline }: ServeTunnelOptions,
  begin: (settle: (result: () => T) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let cause: Error | undefined;
    const settle = (result: () => T) => {
      signal.removeEventListener('abort', onAbort);
      deadline.removeEventListener('abort', onLate);
      session.off('close', onClose);
      try {
        resolve(result());
      } catch (error) {
        reject(error);
      }
    };
    const fail = (error: unknown) =>
      settle(() => {
        throw error;
      });
    const onAbort = () => fail(signal.reason);
    const onLate = () => fail(new Error(`no handshake on the native tunnel within ${handshakeTimeoutMs} ms`));
    const onClose = () => fail(new Error('the connection ended during the handshake', { cause }));
    session.on('error', (error: Error) => {
      cause = error;
    });
    session.on('close', onClose);
    signal.addEventListener('abort', onAbort, { once: true });
    deadline.addEventListener('abort', onLate, { once: true });
    if (signal.aborted) onAbort();
    else if (session.destroyed) onClose();
    else begin(settle);
  });
}

function parseHello(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Hello {
  const serverId = headers['serverid'];
  const serverCount = Number(headers['servercount']);
  if (headers[':method'] !== 'POST' || headers[':path'] !== helloPath || typeof serverId !== 'string') {
    throw new ProtocolError('The server did not begin with its hello');
  }
  if (!Number.isSafeInteger(serverCount)) {
    throw new ProtocolError(`The server says that there are ${headers['servercount']} servers`);
  }
  return { stream, serverId, serverCount };
}

function checkWelcome(line: string): void {
  if (line === welcomeLine) return;
  if (!line.startsWith(`${refusedLine} `))
    throw new ProtocolError('The server answered the agent with neither yes nor no');
  throw new Error(`the server refused the agent: ${decodeGrpcMessage(line.slice(refusedLine.length + 1))}`);
}
