import { badRequest } from '../../api/errors.ts';
import { parsePort, portForwardProtocol, portForwardTunnelProtocol } from '../../stream/port-forward.ts';
import { relay } from '../../stream/relay.ts';
import { isWebSocketUpgrade, listHeader, tuneSocket } from '../../stream/upgrade.ts';
import { acceptWebSocket } from '../../stream/websocket.ts';
import { WebSocketTunnel } from '../../stream/websocket-tunnel.ts';
import type { RequestContext } from '../exchange.ts';
import type { NodeStreamsOptions } from './node-streams.ts';
import { nodeNameOf, requestedPod, speaksWebSocket } from './pod-target.ts';
import { asKubeletError, type ProxyTarget, proxyUpgrade, requireUpgrade } from './raw-proxy.ts';

/** `pods/portforward`. A WebSocket that carries SPDY is unpacked for kubelets that do not speak it; the rest is proxied. */
export async function servePortForward(
  context: RequestContext,
  { objects, kubelet }: NodeStreamsOptions,
): Promise<void> {
  const nodeName = nodeNameOf(requestedPod(objects, context.info));
  const { request } = requireUpgrade(context);
  const ports = context.exchange.query.getAll('ports').flatMap((value) => value.split(','));
  for (const port of ports) {
    if (parsePort(port) === undefined) throw badRequest(`ports: ${JSON.stringify(port)} is no port number`);
  }
  const { namespace, name } = context.info;
  const path = `/portForward/${namespace}/${name}${ports.length > 0 ? `?port=${encodeURIComponent(ports.join(','))}` : ''}`;
  const offered = listHeader(request.headers['sec-websocket-protocol']);
  const tunnelled =
    isWebSocketUpgrade(request) &&
    offered.some((protocol) => protocol === portForwardTunnelProtocol) &&
    !speaksWebSocket(objects, nodeName);
  const target = { kubelet, nodeName, path };
  if (tunnelled) await unpackTunnel(context, target);
  else await proxyUpgrade(context, target);
}

/**
 * Asks the kubelet first: only when it has switched to SPDY is the client's WebSocket accepted. Its answer is the client's otherwise, which
 * then tries SPDY itself. Source: k8s.io/apiserver `pkg/util/proxy/translatinghandler.go`, KEP-4006.
 */
async function unpackTunnel(context: RequestContext, { kubelet, nodeName, path }: ProxyTarget): Promise<void> {
  const { exchange } = context;
  const upgrade = requireUpgrade(context);
  const backend = await kubelet
    .upgrade(nodeName, {
      method: 'POST',
      path,
      headers: {
        Connection: 'Upgrade',
        Upgrade: 'SPDY/3.1',
        'X-Stream-Protocol-Version': portForwardProtocol,
      },
      signal: exchange.signal,
    })
    .catch((error: unknown) => {
      exchange.closeConnection();
      throw asKubeletError(error, nodeName);
    });
  try {
    tuneSocket(backend.socket);
    if (backend.head.length > 0) backend.socket.unshift(backend.head);
    const tunnel = new WebSocketTunnel(acceptWebSocket(upgrade, { protocol: portForwardTunnelProtocol }));
    await relay(tunnel, backend.socket);
  } finally {
    backend.socket.destroy();
  }
}
