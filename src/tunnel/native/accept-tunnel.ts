import http2, { type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders } from 'node:http2';
import type { Socket } from 'node:net';
import { encodeGrpcMessage } from '../../wire/grpc.ts';
import { handshakeTimeoutMs } from '../session-settings.ts';
import {
  helloPath,
  nativeSessionOptions,
  nativeSessionWindowBytes,
  nativeVersion,
  refusedLine,
  versionHeader,
} from './native-protocol.ts';

export interface AcceptTunnelOptions {
  readonly serverId: string;
  readonly serverCount: number;
  /** For the agent's answer. @default 10000 */
  readonly helloTimeoutMs?: number;
}

/** An agent that answered the hello. It is not authenticated by that. */
export interface GreetedAgent {
  readonly session: ClientHttp2Session;
  readonly socket: Socket;
  readonly hello: ClientHttp2Stream;
  /** `agentid`, `agentidentifiers`, `authorization`. */
  readonly headers: IncomingHttpHeaders;
}

/** Tells an agent why it is not let in, and ends. */
export function refuseAgent({ session, hello }: GreetedAgent, message: string): void {
  hello.on('error', () => {}); // it may be gone already
  if (hello.writable) hello.end(`${refusedLine} ${encodeGrpcMessage(message.slice(0, maxReasonLength))}\n`, 'latin1');
  setTimeout(() => session.destroy(), refuseMs).unref();
}

/** The agent is connected to this server already, and said so. */
export class DuplicateAgentError extends Error {
  override readonly name = 'DuplicateAgentError';
}

const maxReasonLength = 1000;
/** How long the refusal may take. */
const refuseMs = 1000;

/**
 * The server's end of a native tunnel: speaks HTTP/2 as a client on a connection that the agent opened, and asks who the agent is.
 * @throws {DuplicateAgentError}; any other error where the agent does not answer in time or as it must
 */
export function acceptTunnel(
  socket: Socket,
  { serverId, serverCount, helloTimeoutMs = handshakeTimeoutMs }: AcceptTunnelOptions,
): Promise<GreetedAgent> {
  const session = http2.connect('https://agent', { ...nativeSessionOptions, createConnection: () => socket });
  session.once('connect', () => session.setLocalWindowSize(nativeSessionWindowBytes));
  const hello = session.request(
    {
      ':method': 'POST',
      ':path': helloPath,
      [versionHeader]: nativeVersion,
      serverid: serverId,
      servercount: String(serverCount),
    },
    { endStream: false },
  );
  return new Promise((resolve, reject) => {
    let cause: Error | undefined;
    const fail = (error: Error) => {
      clearTimeout(timer);
      session.off('close', onClose);
      hello.off('close', onClose);
      session.destroy();
      reject(error);
    };
    const timer = setTimeout(
      () => fail(new Error(`the agent did not answer within ${helloTimeoutMs} ms`)),
      helloTimeoutMs,
    );
    const onClose = () => fail(new Error('the connection ended during the handshake', { cause }));
    const onError = (error: Error) => {
      cause = error;
    };
    session.on('error', onError);
    hello.on('error', onError);
    session.once('close', onClose);
    hello.once('close', onClose);
    hello.once('response', (headers) => {
      const status = headers[':status'];
      if (status === 409) fail(new DuplicateAgentError('the agent is connected to this server already'));
      else if (status !== 200) fail(new Error(`the agent answered the hello with status ${status}`));
      else {
        clearTimeout(timer);
        session.off('close', onClose);
        hello.off('close', onClose);
        resolve({ session, socket, hello, headers });
      }
    });
  });
}
