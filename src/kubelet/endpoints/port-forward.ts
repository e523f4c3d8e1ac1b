import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { TaskGroup } from '../../lib/async.ts';
import { type PortForwardRequest, parsePort } from '../../stream/port-forward.ts';
import { acceptPortForward } from '../../stream/port-forward-server.ts';
import { findPod, HttpError, type KubeletApi } from './kubelet-api.ts';
import type { CommandUpgrade } from './remote-command.ts';

/** `/portForward/{ns}/{pod}[/{uid}]` */
export async function servePortForward(
  api: KubeletApi,
  { upgrade, path, query, signal }: CommandUpgrade,
): Promise<void> {
  const [namespace = '', name = '', uid] = path;
  const worker = findPod(api, namespace, name, uid);
  const sandbox = worker.sandbox;
  if (!sandbox) throw new HttpError(404, 'pod does not exist');
  const ports = query.getAll('port').flatMap((text) => text.split(',').map(parsePort));
  const known = ports.filter((port) => port !== undefined);
  if (known.length < ports.length) throw new HttpError(400, 'invalid port');
  await using connection = acceptPortForward(upgrade, { signal, ports: known });
  await using streams = new TaskGroup({ onError: (error) => api.log.debug('Forwarded connection failed', { error }) });
  try {
    for await (const request of connection) {
      const open = (port: number, options: { signal: AbortSignal }) =>
        worker.runtime.openPort(sandbox.id, port, options);
      streams.run(() => forward(request, open, connection.closed));
    }
  } catch (error) {
    if (!connection.closed.aborted) throw error; // otherwise the client has gone, in whatever way
  }
}

async function forward(
  request: PortForwardRequest,
  open: (port: number, options: { signal: AbortSignal }) => Promise<Duplex>,
  closed: AbortSignal,
): Promise<void> {
  const { port, stream } = request;
  let target: Duplex;
  try {
    target = await open(port, { signal: closed });
  } catch (error) {
    request.fail(`error forwarding port ${port} to pod: ${(error as Error).message}`);
    return;
  }
  try {
    await Promise.all([pipeline(stream, target), pipeline(target, stream)]);
  } finally {
    target.destroy();
    stream.destroy();
  }
}
