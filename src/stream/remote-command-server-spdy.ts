import { resetStatus } from '../wire/spdy/frame.ts';
import type { CommandChannels, RemoteCommandStreams } from './remote-command.ts';
import { acceptSpdy } from './spdy-handshake.ts';
import type { SpdyOffer } from './spdy-session.ts';
import type { SpdyStream } from './spdy-stream.ts';
import type { UpgradeRequest } from './upgrade.ts';

/** As upstream's servers: v5 on SPDY would equal v4 and is never chosen. */
export const spdyCommandProtocols = [
  'v4.channel.k8s.io',
  'v3.channel.k8s.io',
  'v2.channel.k8s.io',
  'channel.k8s.io',
] as const;

const streamTypes = ['error', 'stdin', 'stdout', 'stderr', 'resize'] as const;
type StreamType = (typeof streamTypes)[number];

const creationTimeoutMs = 30_000;

interface SpdyCommandOptions extends RemoteCommandStreams {
  readonly protocols?: readonly string[];
  readonly signal: AbortSignal;
  readonly pingIntervalMs?: number;
}

/**
 * Answers the upgrade and waits until the client has opened one stream for each it asked for; each is replied to at once, because
 * Go clients open the next only then. Source: k8s.io/kubelet `pkg/cri/streaming/remotecommand/httpstream.go`.
 */
export async function acceptSpdyCommand(
  upgrade: UpgradeRequest,
  options: SpdyCommandOptions,
): Promise<CommandChannels> {
  const supported = spdyCommandProtocols.filter((name) => options.protocols?.includes(name) ?? true);
  const streams = new Map<StreamType, SpdyStream>();
  const complete = Promise.withResolvers<void>();
  const expected = new Set<StreamType>(['error']);
  const { session, protocol } = acceptSpdy(upgrade, supported, {
    ...(options.pingIntervalMs !== undefined && { pingIntervalMs: options.pingIntervalMs }),
    onStream: (offer) => {
      const type = typeOf(offer);
      if (type !== undefined && streams.has(type)) {
        offer.refuse(resetStatus.protocolError);
        return;
      }
      const stream = offer.accept();
      if (type === undefined)
        stream.resume(); // upstream ignores what it does not know
      else streams.set(type, stream);
      if ([...expected].every((name) => streams.has(name))) complete.resolve();
    },
  });
  if (options.stdin) expected.add('stdin');
  if (options.stdout) expected.add('stdout');
  if (options.stderr) expected.add('stderr');
  if (options.tty && /^v[34]\./.test(protocol)) expected.add('resize');
  const fail = (error: unknown) => complete.reject(error);
  const lost = () => fail(session.closed.reason);
  const abort = () => fail(options.signal.reason);
  const deadline = setTimeout(() => fail(missing(expected, streams)), creationTimeoutMs);
  session.closed.addEventListener('abort', lost, { once: true });
  options.signal.addEventListener('abort', abort, { once: true });
  if (options.signal.aborted) abort();
  try {
    await complete.promise;
  } catch (error) {
    session.destroy();
    throw error;
  } finally {
    clearTimeout(deadline);
    session.closed.removeEventListener('abort', lost);
    options.signal.removeEventListener('abort', abort);
  }
  for (const [type, stream] of streams) {
    // Nobody reads what a client sends on these; a client's end of them is nothing to wait for.
    if (type !== 'stdin' && type !== 'resize') stream.resume();
    if (!expected.has(type)) stream.end().resume();
  }
  const stdin = options.stdin ? streams.get('stdin') : undefined;
  stdin?.endOnDestroy();
  const error = streams.get('error');
  if (!error) throw new Error('The error stream is missing'); // unreachable: it is always expected
  return {
    stdin,
    stdout: options.stdout ? streams.get('stdout') : undefined,
    stderr: options.stderr ? streams.get('stderr') : undefined,
    error,
    resize: expected.has('resize') ? streams.get('resize') : undefined,
    statusAsJson: protocol === 'v4.channel.k8s.io',
    close: async () => {
      streams.get('resize')?.end();
      await session.close();
    },
    closed: session.closed,
  };
}

function typeOf({ headers }: SpdyOffer): StreamType | undefined {
  const value = headers.get('streamtype');
  return streamTypes.find((type) => type === value);
}

function missing(expected: ReadonlySet<string>, streams: ReadonlyMap<string, SpdyStream>): Error {
  const names = [...expected].filter((name) => !streams.has(name));
  return new Error(`timed out waiting for the client to create streams: ${names.join(', ')}`);
}
