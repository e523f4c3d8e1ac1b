import { isIP } from 'node:net';
import tls, { type TLSSocket } from 'node:tls';
import { nativeProtocol } from '../native/native-protocol.ts';
import { serveTunnel } from '../native/serve-tunnel.ts';
import { handshakeTimeoutMs } from '../session-settings.ts';
import type { AgentConfig } from './agent-config.ts';
import type { ServerLink } from './agent-connection.ts';
import { openGrpcLink } from './grpc-link.ts';
import { resolveAddress } from './resolve-address.ts';
import { ServerConnection } from './server-connection.ts';

/** Connects to a server, which chooses the protocol: the native one where it knows it, upstream's otherwise. @throws where it does not come to that */
export async function openServerLink(
  config: AgentConfig,
  signal: AbortSignal,
  isConnected: (serverId: string) => boolean = () => false,
): Promise<ServerLink> {
  const token = await config.readToken?.();
  const deadline = AbortSignal.timeout(handshakeTimeoutMs);
  const socket = await connectTls(config, signal, deadline);
  if (socket.alpnProtocol === nativeProtocol) {
    const { agentId, identifiers = '' } = config;
    return serveTunnel(socket, { agentId, identifiers, token, isConnected, signal, deadline });
  }
  const link = await openGrpcLink(socket, { config, token, signal, deadline });
  return {
    serverId: link.serverId,
    serverCount: link.serverCount,
    serve: (options) => new ServerConnection(link, options),
    discard: () => link.session.destroy(),
  };
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
      ALPNProtocols: [...(config.upstreamProtocolOnly ? [] : [nativeProtocol]), ...alpnProtocols, 'h2'],
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
      if (socket.alpnProtocol === 'h2' || socket.alpnProtocol === nativeProtocol) resolve(socket);
      else fail(new Error(`${host}:${port} does not speak HTTP/2 (ALPN chose ${socket.alpnProtocol || 'nothing'})`));
    });
  });
}
