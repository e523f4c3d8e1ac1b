import { type ChannelProtocol, channel, channelProtocols, hasStatusChannel } from '../wire/channel.ts';
import type { CommandChannels, RemoteCommandStreams } from './remote-command.ts';
import { listHeader, refuseUpgrade, type UpgradeRequest } from './upgrade.ts';
import { acceptWebSocket } from './websocket.ts';
import { WebSocketChannels } from './websocket-channels.ts';

interface WebSocketCommandOptions extends RemoteCommandStreams {
  readonly protocols?: readonly string[];
  readonly pingIntervalMs?: number;
}

/** Source: k8s.io/kubelet `pkg/cri/streaming/remotecommand/websocket.go`; KEP-4006 for v5. */
export function acceptWebSocketCommand(upgrade: UpgradeRequest, options: WebSocketCommandOptions): CommandChannels {
  const protocol = chooseProtocol(upgrade, options.protocols);
  const connection = acceptWebSocket(upgrade, { ...options, protocol });
  const inbound: number[] = [];
  if (options.stdin) inbound.push(channel.stdin);
  if (options.tty) inbound.push(channel.resize);
  const channels = new WebSocketChannels(connection, { protocol, inbound, sendsClose: false });
  const lowest = options.stdout ? channel.stdout : options.stderr ? channel.stderr : channel.error;
  channels.greet(lowest);
  return {
    stdin: options.stdin ? channels.readable(channel.stdin) : undefined,
    stdout: options.stdout ? channels.writable(channel.stdout) : undefined,
    stderr: options.stderr ? channels.writable(channel.stderr) : undefined,
    error: channels.writable(channel.error),
    resize: options.tty ? channels.readable(channel.resize) : undefined,
    statusAsJson: hasStatusChannel(protocol),
    close: () => connection.close(),
    closed: connection.closed,
  };
}

/** The client's first protocol that is served. A client that offers none speaks the oldest. */
function chooseProtocol(upgrade: UpgradeRequest, allowed: readonly string[] | undefined): ChannelProtocol {
  const offered = listHeader(upgrade.request.headers['sec-websocket-protocol']);
  const supported = channelProtocols.filter((name) => allowed?.includes(name) ?? true);
  for (const name of offered.length > 0 ? offered : ['']) {
    const chosen = supported.find((known) => known === name);
    if (chosen !== undefined) return chosen;
  }
  throw refuseUpgrade(upgrade, 403, `unable to upgrade: none of the protocols [${offered.join(' ')}] is supported`);
}
