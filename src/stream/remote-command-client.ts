import type { Duplex, Readable, Writable } from 'node:stream';
import { type ChannelProtocol, channel, channelProtocols, hasStatusChannel } from '../wire/channel.ts';
import { type CommandStatus, parseCommandStatus } from './command-status.ts';
import type { RemoteCommandStreams } from './remote-command.ts';
import { openSpdy } from './spdy-client.ts';
import { encodeTerminalSize, type TerminalSize } from './terminal-size.ts';
import { openWebSocket } from './websocket.ts';
import { WebSocketChannels } from './websocket-channels.ts';

export interface OpenCommandOptions extends RemoteCommandStreams {
  readonly via: 'spdy' | 'websocket';
  /** For the `Host` header. */
  readonly host: string;
  /** Path with query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** In order of preference. @default those of upstream's client: v5 to v1 on SPDY, v5 on WebSocket */
  readonly protocols?: readonly string[];
  /** Ends the connection at once, at any time. */
  readonly signal: AbortSignal;
  /** @default 5000 */
  readonly pingIntervalMs?: number;
}

/** The asking end of one exec or attach. */
export interface RemoteCommandClient extends AsyncDisposable {
  /** The subprotocol the server chose. */
  readonly protocol: string;
  /** Is destroyed when the command takes no more, as a pipe closed at its other end. */
  readonly stdin: Writable | undefined;
  /** Has to be read (as stderr has): unread output stops the command. */
  readonly stdout: Readable | undefined;
  readonly stderr: Readable | undefined;
  /** Tells the size of the terminal. Does nothing without `tty`. */
  resize(size: TerminalSize): void;
  /** How the command ended; known when the error stream has. Rejects when the connection is lost before. */
  readonly status: Promise<CommandStatus>;
  readonly closed: AbortSignal;
}

const spdyProtocols = ['v5', 'v4', 'v3', 'v2'].map((version) => `${version}.channel.k8s.io`).concat('channel.k8s.io');
const maxStatusBytes = 64 * 1024;

/**
 * Opens exec or attach over `transport`, TLS included where there is any.
 * @throws {UpgradeRefused} for any answer but a good 101
 */
export async function openRemoteCommand(transport: Duplex, options: OpenCommandOptions): Promise<RemoteCommandClient> {
  const streams = { ...options, stderr: options.stderr && !options.tty };
  const client =
    options.via === 'spdy' ? await openOverSpdy(transport, streams) : await openOverWebSocket(transport, streams);
  const { signal } = options;
  const abort = () => transport.destroy(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  client.closed.addEventListener('abort', () => signal.removeEventListener('abort', abort), { once: true });
  if (signal.aborted) abort();
  client.status.catch(() => {}); // who does not ask for it has `closed`
  return client;
}

/** Streams are opened one after the other, in the order of Go clients: error, stdin, stdout, stderr, resize. */
async function openOverSpdy(transport: Duplex, options: OpenCommandOptions): Promise<RemoteCommandClient> {
  const { signal } = options;
  const protocols = options.protocols ?? spdyProtocols;
  const { session, protocol } = await openSpdy(transport, { ...options, protocols });
  const open = (type: string) => session.open(new Map([['streamtype', type]]), { signal });
  try {
    const error = await open('error');
    const stdin = options.stdin ? await open('stdin') : undefined;
    const stdout = options.stdout ? await open('stdout') : undefined;
    const stderr = options.stderr ? await open('stderr') : undefined;
    const resize = options.tty && /^v[345]\./.test(protocol) ? await open('resize') : undefined;
    stdin?.endOnDestroy();
    stdin?.once('end', () => stdin.destroy()); // the server takes no more: whoever writes sees a closed pipe
    for (const stream of [stdin, resize]) stream?.resume();
    return {
      protocol,
      stdin,
      stdout,
      stderr,
      resize: (size) => void (resize?.writable && resize.write(encodeTerminalSize(size))),
      status: readStatus(error, { json: /^v[45]\./.test(protocol) }),
      closed: session.closed,
      [Symbol.asyncDispose]: () => session.close(),
    };
  } catch (error) {
    session.destroy();
    throw error;
  }
}

async function openOverWebSocket(transport: Duplex, options: OpenCommandOptions): Promise<RemoteCommandClient> {
  const protocols = options.protocols ?? ['v5.channel.k8s.io'];
  const connection = await openWebSocket(transport, { ...options, protocols });
  const protocol = channelProtocols.find((name) => name === connection.protocol) satisfies ChannelProtocol | undefined;
  if (protocol === undefined) throw new Error(`Unknown channel protocol "${connection.protocol}"`);
  const inbound: number[] = [channel.error];
  if (options.stdout) inbound.push(channel.stdout);
  if (options.stderr) inbound.push(channel.stderr);
  const channels = new WebSocketChannels(connection, { protocol, inbound, sendsClose: true });
  const resize = options.tty ? channels.writable(channel.resize) : undefined;
  return {
    protocol,
    stdin: options.stdin ? channels.writable(channel.stdin) : undefined,
    stdout: options.stdout ? channels.readable(channel.stdout) : undefined,
    stderr: options.stderr ? channels.readable(channel.stderr) : undefined,
    resize: (size) => void (resize?.writable && resize.write(encodeTerminalSize(size))),
    status: readStatus(channels.readable(channel.error), { json: hasStatusChannel(protocol) }),
    closed: connection.closed,
    [Symbol.asyncDispose]: () => connection.close(),
  };
}

async function readStatus(stream: Readable, options: { json: boolean }): Promise<CommandStatus> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxStatusBytes) throw new Error('The status of the command is too long');
    parts.push(chunk);
  }
  return parseCommandStatus(Buffer.concat(parts).toString('utf8'), options);
}
