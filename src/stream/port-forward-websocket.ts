import { Duplex, finished } from 'node:stream';
import type { ChannelProtocol } from '../wire/channel.ts';
import { AsyncQueue } from './async-queue.ts';
import type { PortForwardConnection, PortForwardRequest } from './port-forward.ts';
import { listHeader, refuseUpgrade, type UpgradeRequest } from './upgrade.ts';
import { acceptWebSocket, type WebSocketOptions } from './websocket.ts';
import { WebSocketChannels } from './websocket-channels.ts';

const protocols = ['v4.channel.k8s.io', 'v4.base64.channel.k8s.io', ''] as const satisfies readonly ChannelProtocol[];
const maxPorts = 100;

/**
 * The older WebSocket form: port `i` has channel `2i` for data and `2i+1` for errors, and one connection each. First comes the port on every
 * channel, as uint16 in little-endian. One direction cannot be ended by itself: when all ports are done the WebSocket closes.
 * Source: k8s.io/kubelet `pkg/cri/streaming/portforward/websocket.go`.
 */
export function acceptLegacyPortForward(
  upgrade: UpgradeRequest,
  ports: readonly number[],
  options: WebSocketOptions,
): PortForwardConnection {
  if (ports.length === 0) throw refuseUpgrade(upgrade, 400, 'query parameter "port" is required');
  if (ports.length > maxPorts) throw refuseUpgrade(upgrade, 400, `at most ${maxPorts} ports can be forwarded`);
  const offered = listHeader(upgrade.request.headers['sec-websocket-protocol']);
  const wanted = offered.length > 0 ? offered : [''];
  const protocol = wanted.map((name) => protocols.find((known) => known === name)).find((name) => name !== undefined);
  if (protocol === undefined) {
    throw refuseUpgrade(upgrade, 403, `unable to upgrade: none of the protocols [${offered.join(' ')}] is supported`);
  }
  const connection = acceptWebSocket(upgrade, { ...options, protocol });
  const inbound = ports.map((_, index) => 2 * index);
  const channels = new WebSocketChannels(connection, { protocol, inbound, sendsClose: false });
  const requests = new AsyncQueue<PortForwardRequest>();
  let open = ports.length;
  ports.forEach((port, index) => {
    const number = Buffer.alloc(2);
    number.writeUInt16LE(port);
    const error = channels.writable(2 * index + 1);
    const output = channels.writable(2 * index);
    output.write(number);
    error.write(number);
    const stream = Duplex.from({ readable: channels.readable(2 * index), writable: output });
    finished(stream, { readable: false }, () => {
      open -= 1;
      if (open === 0) void connection.close();
    });
    stream.on('error', () => {}); // a lost client: who serves the request sees it in its own pipeline
    requests.push({
      port,
      stream,
      fail: (text) => {
        error.end(text);
        stream.destroy();
      },
    });
  });
  connection.closed.addEventListener('abort', () => requests.end(), { once: true });
  return {
    closed: connection.closed,
    [Symbol.asyncIterator]: () => requests[Symbol.asyncIterator](),
    [Symbol.asyncDispose]: () => connection.close(),
  };
}
