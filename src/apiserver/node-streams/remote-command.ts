import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ApiError } from '../../api/errors.ts';
import { messageOf } from '../../lib/error-message.ts';
import { type CommandStatus, internalErrorStatus } from '../../stream/command-status.ts';
import type { RemoteCommand, RemoteCommandStreams } from '../../stream/remote-command.ts';
import { openRemoteCommand } from '../../stream/remote-command-client.ts';
import { acceptRemoteCommand } from '../../stream/remote-command-server.ts';
import { HandshakeError, isWebSocketUpgrade, listHeader } from '../../stream/upgrade.ts';
import type { RequestContext } from '../exchange.ts';
import type { NodeStreamsOptions } from './node-streams.ts';
import { chooseContainer, nodeNameOf, queryFlag, requestedPod, speaksWebSocket } from './pod-target.ts';
import { asKubeletError, type ProxyTarget, proxyUpgrade, requireUpgrade } from './raw-proxy.ts';

const translatedProtocol = 'v5.channel.k8s.io';

/** `pods/exec` and `pods/attach`. WebSocket v5 is translated to SPDY for kubelets that do not speak it; the rest is proxied. */
export async function serveRemoteCommand(
  kind: 'exec' | 'attach',
  context: RequestContext,
  { objects, kubelet }: NodeStreamsOptions,
): Promise<void> {
  const { query } = context.exchange;
  const pod = requestedPod(objects, context.info);
  const container = chooseContainer(pod, query.get('container') ?? '');
  const nodeName = nodeNameOf(pod);
  const upgrade = requireUpgrade(context);
  const streams = {
    stdin: queryFlag(query, 'stdin'),
    stdout: queryFlag(query, 'stdout'),
    stderr: queryFlag(query, 'stderr'),
    tty: queryFlag(query, 'tty'),
  };
  const { namespace, name } = context.info;
  const path = `/${kind}/${namespace}/${name}/${container}?${kubeletQuery(query, streams)}`;
  const offered = listHeader(upgrade.request.headers['sec-websocket-protocol']);
  const translate =
    isWebSocketUpgrade(upgrade.request) && offered.includes(translatedProtocol) && !speaksWebSocket(objects, nodeName);
  const target = { kubelet, nodeName, path };
  if (translate) await translateCommand(context, target, streams);
  else await proxyUpgrade(context, target);
}

/** The kubelet's own names: `input=1` for `stdin=true`. Keys in order of the alphabet, as upstream sends them. */
function kubeletQuery(query: URLSearchParams, streams: RemoteCommandStreams): string {
  const result = new URLSearchParams();
  for (const word of query.getAll('command')) result.append('command', word);
  if (streams.stderr) result.set('error', '1');
  if (streams.stdin) result.set('input', '1');
  if (streams.stdout) result.set('output', '1');
  if (streams.tty) result.set('tty', '1');
  return result.toString();
}

/**
 * Accepts the WebSocket first and asks the kubelet then, as upstream: what goes wrong from here on is told on the error channel.
 * Source: k8s.io/apiserver `pkg/util/proxy/streamtranslator.go`.
 */
async function translateCommand(
  { exchange }: RequestContext,
  target: ProxyTarget,
  streams: RemoteCommandStreams,
): Promise<void> {
  const { upgrade, signal } = exchange;
  if (!upgrade) return; // unreachable: the caller has looked
  let command: RemoteCommand;
  try {
    command = await acceptRemoteCommand(upgrade, { ...streams, protocols: [translatedProtocol], signal });
  } catch (error) {
    if (error instanceof HandshakeError) return; // answered
    throw error;
  }
  await command.finish(await runOnKubelet(command, target, streams));
}

async function runOnKubelet(
  command: RemoteCommand,
  { kubelet, nodeName, path }: ProxyTarget,
  streams: RemoteCommandStreams,
): Promise<CommandStatus> {
  const signal = command.closed;
  try {
    const { socket, host } = await kubelet.connect(nodeName, { signal });
    const remote = await openRemoteCommand(socket, { via: 'spdy', host, path, ...streams, signal });
    void carrySizes(command, remote);
    void carry(command.stdin, remote.stdin);
    await Promise.all([carry(remote.stdout, command.stdout), carry(remote.stderr, command.stderr)]);
    const status = await remote.status;
    void remote[Symbol.asyncDispose]();
    return status;
  } catch (error) {
    const cause = asKubeletError(error, nodeName);
    if (cause instanceof ApiError) return cause.status;
    return internalErrorStatus(`connection to the kubelet of node "${nodeName}" was lost: ${messageOf(cause)}`);
  }
}

/** Carries to the end. A side that went away shows in the status or in `closed`; here it only ends the carrying. */
async function carry(from: Readable | undefined, to: Writable | undefined): Promise<void> {
  if (from && to) await pipeline(from, to).catch(() => {});
}

async function carrySizes(
  command: RemoteCommand,
  remote: { resize(size: { width: number; height: number }): void },
): Promise<void> {
  for await (const size of command.resizes) remote.resize(size);
}
