import type { ServerHttp2Stream } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { Logger } from '../../lib/log.ts';
import { NativeConnection } from '../native/native-connection.ts';
import type { SlowReaders } from '../native/slow-readers.ts';
import { splice } from '../splice.ts';
import { DialError } from './dial-error.ts';
import type { TunnelDialer } from './dialer.ts';
import type { GrpcHandler } from './grpc-listener.ts';
import { isPeerCertificate } from './peers-identity.ts';
import { peerHeaders, selfReason } from './peers-protocol.ts';

export interface PeerServiceOptions {
  readonly serverId: string;
  /** Common names of our servers' certificates. */
  readonly names: readonly string[];
  /** Through this server's own agents alone. */
  readonly dial: TunnelDialer;
  readonly slowReaders: SlowReaders;
  readonly log: Logger;
}

export interface PeerService {
  readonly handler: GrpcHandler;
  /** Connections that peers have through this server. */
  readonly connections: number;
}

/** Serves the dials of other servers, see `peers-protocol.ts`. */
export function peerService({ serverId, names, dial, slowReaders, log }: PeerServiceOptions): PeerService {
  let lastId = 0n;
  let connections = 0;

  async function serve(stream: ServerHttp2Stream, headers: Readonly<Record<string, unknown>>): Promise<void> {
    const text = (name: string) => (typeof headers[name] === 'string' ? headers[name] : '');
    const peer = text(peerHeaders.server);
    if (!isPeerCertificate((stream.session?.socket as TLSSocket | undefined)?.getPeerX509Certificate?.(), names)) {
      log.warn('A dial of another server was refused: its certificate is no server’s', { peer });
      refuse(stream, { status: 403, reason: 'forbidden', message: 'your certificate is not one of our servers' });
      return;
    }
    if (peer === serverId) {
      refuse(stream, { status: 421, reason: selfReason, message: 'you asked yourself' });
      return;
    }
    const address = text(peerHeaders.target);
    const abandoned = new AbortController();
    const abandon = () => abandoned.abort(new Error('the other server gave up the dial'));
    stream.once('close', abandon);
    let agent = '';
    try {
      const node = text(peerHeaders.node);
      const tunnel = await dial({
        protocol: text(peerHeaders.protocol) || 'tcp',
        address,
        signal: abandoned.signal,
        ...(node !== '' && { node }),
        onAgent: (id) => {
          agent = id;
        },
      });
      stream.off('close', abandon);
      if (stream.destroyed) {
        tunnel.destroy();
        return;
      }
      stream.respond({ ':status': 200, [peerHeaders.agent]: encodeURIComponent(agent) });
      connections++;
      const onClose = () => {};
      const loss = () =>
        stream.session?.destroyed === false ? undefined : new Error(`the connection to server ${peer} was lost`);
      await splice(new NativeConnection(stream, { connectId: ++lastId, address, slowReaders, loss, onClose }), tunnel);
      connections--;
    } catch (error) {
      stream.off('close', abandon);
      const reason = error instanceof DialError ? error.reason : 'error_response';
      refuse(stream, { status: 502, reason, message: error instanceof Error ? error.message : String(error) });
    }
  }

  return {
    handler: (stream, headers) => {
      stream.on('error', (error) => log.debug('The stream of another server failed', { error: error.message }));
      void serve(stream, headers);
    },
    get connections() {
      return connections;
    },
  };
}

function refuse(
  stream: ServerHttp2Stream,
  { status, reason, message }: { status: number; reason: string; message: string },
): void {
  if (stream.destroyed || stream.headersSent) return;
  stream.respond(
    { ':status': status, [peerHeaders.reason]: reason, [peerHeaders.error]: encodeURIComponent(message) },
    { endStream: true },
  );
  stream.resume();
}
