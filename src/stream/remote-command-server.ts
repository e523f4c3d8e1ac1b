import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { CommandStatus } from './command-status.ts';
import type { CommandChannels, RemoteCommand, RemoteCommandStreams } from './remote-command.ts';
import { acceptSpdyCommand } from './remote-command-server-spdy.ts';
import { acceptWebSocketCommand } from './remote-command-server-websocket.ts';
import { readTerminalSizes } from './terminal-size.ts';
import { isWebSocketUpgrade, type UpgradeRequest } from './upgrade.ts';

export interface AcceptCommandOptions extends RemoteCommandStreams {
  /** What may be spoken, by protocol name. @default everything upstream's kubelet speaks, and `v5.channel.k8s.io` */
  readonly protocols?: readonly string[];
  /** Ends the connection at once, at any time. */
  readonly signal: AbortSignal;
  /** @default 5000 */
  readonly pingIntervalMs?: number;
}

/**
 * Takes over an upgrade request for exec or attach, by SPDY/3.1 (v4 to v1) or WebSocket (v5, v4, base64, none).
 * Resolves when all streams are open.
 * @throws {HandshakeError} when the handshake is refused; the client has been answered
 * @throws when the client does not open its streams within 30 s, or `signal` aborts; the connection is closed
 */
export async function acceptRemoteCommand(
  upgrade: UpgradeRequest,
  options: AcceptCommandOptions,
): Promise<RemoteCommand> {
  const streams = { ...options, stderr: options.stderr && !options.tty };
  const channels = isWebSocketUpgrade(upgrade.request)
    ? acceptWebSocketCommand(upgrade, streams)
    : await acceptSpdyCommand(upgrade, streams);
  const abort = () => upgrade.socket.destroy();
  options.signal.addEventListener('abort', abort, { once: true });
  channels.closed.addEventListener('abort', () => options.signal.removeEventListener('abort', abort), { once: true });
  if (options.signal.aborted) abort();
  return serveCommand(channels);
}

function serveCommand(channels: CommandChannels): RemoteCommand {
  const { stdin, stdout, stderr, error, resize, statusAsJson, closed } = channels;
  let finishing: Promise<void> | undefined;
  const finish = async (status: CommandStatus) => {
    await Promise.all([flush(stdout), flush(stderr)]);
    if (statusAsJson) error.end(JSON.stringify(status));
    else error.end(status.status === 'Success' ? undefined : status.message);
    await flush(error);
    stdin?.destroy();
    await channels.close();
  };
  return {
    stdin,
    stdout,
    stderr,
    resizes: resize ? readTerminalSizes(resize) : noSizes(),
    finish: (status) => {
      finishing ??= finish(status);
      return finishing;
    },
    closed,
  };
}

/** Ends `stream` and waits until all of it is with the transport. A lost client ends the wait too: nobody is left to read. */
async function flush(stream: Writable | undefined): Promise<void> {
  if (!stream) return;
  if (!stream.writableEnded) stream.end();
  await finished(stream, { readable: false }).catch(() => {});
}

async function* noSizes() {}
