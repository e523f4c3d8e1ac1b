import type { IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { isWebSocketUpgrade, listHeader } from '../../stream/upgrade.ts';
import { UpgradeRefused } from '../../stream/upgrade-refused.ts';
import { acceptWebSocket } from '../../stream/websocket.ts';
import type { RequestContext, Upgrade } from '../exchange.ts';
import { refusedLog } from './kubelet-refusal.ts';
import { parseLogOptions } from './log-options.ts';
import type { NodeStreamsOptions } from './node-streams.ts';
import { chooseContainer, requestedPod } from './pod-target.ts';

const maxErrorBytes = 50_000;

/** `pods/log`: the kubelet's answer as it comes, with back-pressure; a pod without a node has nothing to say. */
export async function serveLog(
  { exchange, info }: RequestContext,
  { objects, kubelet }: NodeStreamsOptions,
): Promise<void> {
  const options = parseLogOptions(exchange.query);
  const pod = requestedPod(objects, info);
  const container = chooseContainer(pod, options.container);
  const nodeName = pod.spec?.nodeName;
  if (!nodeName) {
    exchange.respond(204, {});
    return;
  }
  const query = options.kubeletQuery.toString();
  const answer = await kubelet.request(nodeName, {
    method: 'GET',
    path: `/containerLogs/${info.namespace}/${info.name}/${container}${query && `?${query}`}`,
    signal: exchange.signal,
    skipVerification: options.insecureSkipTlsVerifyBackend,
  });
  const status = answer.statusCode ?? 0;
  if (status < 200 || status > 206) {
    const refused = await UpgradeRefused.read(answer, maxErrorBytes);
    throw refusedLog({ nodeName, status, body: refused.body.toString('utf8') });
  }
  if (exchange.upgrade && isWebSocketUpgrade(exchange.upgrade.request)) {
    await sendOverWebSocket(exchange.upgrade, answer);
    return;
  }
  const body = exchange.stream(200, { 'content-type': 'text/plain', 'x-content-type-options': 'nosniff' });
  // A client that went away or a kubelet that was lost cut the answer off: there is nobody, or no way, left to tell.
  await pipeline(answer, body).catch(() => answer.destroy());
}

/** The older form: an empty message, then the bytes as binary messages, or as base64 text where the client asks for it. */
async function sendOverWebSocket(upgrade: Upgrade, answer: IncomingMessage): Promise<void> {
  const offered = listHeader(upgrade.request.headers['sec-websocket-protocol']);
  const protocol = offered.find((name) => name === 'binary.k8s.io' || name === 'base64.binary.k8s.io') ?? '';
  const base64 = protocol === 'base64.binary.k8s.io';
  const connection = acceptWebSocket(upgrade, { protocol });
  connection.start({ message() {}, closed: () => answer.destroy() });
  const send = (data: Buffer) =>
    new Promise<void>((resolve, reject) => {
      connection.send(base64 ? data.toString('base64') : data, (error) => (error ? reject(error) : resolve()));
    });
  try {
    await send(Buffer.alloc(0));
    for await (const chunk of answer as AsyncIterable<Buffer>) await send(chunk);
    await connection.close();
  } catch {
    connection.terminate(); // the client went away, or the kubelet was lost: the missing close frame tells
  }
}
