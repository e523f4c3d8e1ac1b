/** The node agent inside an island: a process of its own, told what to do on standard input. The bundle emits it as `island-main.mjs`. */
import type { Node } from '../../api/kubernetes/core-v1.ts';
import type { ApiClient } from '../../client/client.ts';
import { Informer } from '../../client/informer.ts';
import { nodes } from '../../client/resources.ts';
import { runIp } from '../../kubelet/island/ip-command.ts';
import { IslandPodNetwork } from '../../kubelet/island/island-pod-network.ts';
import { runNode } from '../../kubelet/run-node.ts';
import type { Logger } from '../../lib/log.ts';
import { listenForwarder } from './forwarder.ts';
import { forwardLog } from './island-log.ts';
import { readJsonLines, writeJsonLine } from './json-lines.ts';
import { describeError, type IslandCommand, type IslandEvent, type IslandStart } from './messages.ts';

const send = (event: IslandEvent) => writeJsonLine(process.stdout, event);
const stopping = new AbortController();
let running: Promise<void> | undefined;

await readJsonLines<IslandCommand>(process.stdin, (command) => {
  if (command.type === 'stop') stopping.abort(new Error('the island is to stop'));
  else running ??= run(command);
  if (stopping.signal.aborted) process.stdin.destroy();
}).catch((error: unknown) => {
  if (!stopping.signal.aborted) throw error; // destroyed by us
});
stopping.abort(new Error('whoever started the island has gone'));
await running;

async function run(start: IslandStart): Promise<void> {
  try {
    await runIsland(start);
  } catch (error) {
    if (!stopping.signal.aborted) send({ type: 'failed', error: describeError(error) });
    process.exitCode = 1;
    stopping.abort();
    process.stdin.destroy();
  }
}

async function runIsland(start: IslandStart): Promise<void> {
  const log = forwardLog(send, start.verbose);
  const { signal } = stopping;
  await using parts = new AsyncDisposableStack();
  const places = [...new Set(start.apiServerPlaces.map(({ host }) => host))].filter((host) => !host.startsWith('127.'));
  await runIp(
    [start.address, ...places].map((address) => `addr add ${address}/32 dev lo`),
    { signal },
  );
  for (const listen of start.apiServerPlaces) {
    parts.use(await listenForwarder({ listen, target: { path: start.gateway }, log }));
  }
  const podNetwork = new IslandPodNetwork({ directory: start.namespaceDirectory, log });
  const node = parts.use(
    await runNode(
      {
        name: start.name,
        dataDirectory: start.dataDirectory,
        server: start.server,
        listen: { host: start.address },
        addresses: [{ type: 'InternalIP', address: start.address }],
        labels: start.labels,
        runtime: start.runtime,
        images: start.images,
        podNetwork,
        apiServerAddress: 'service',
        onShutdown: 'stop-pods',
        ...(start.bootstrap !== undefined && { bootstrap: start.bootstrap }),
        ...(start.shutdownGraceMs !== undefined && { shutdownGraceMs: start.shutdownGraceMs }),
      },
      { log, signal },
    ),
  );
  send({ type: 'listening', port: node.port });
  void openPodNetwork(start, { network: podNetwork, client: node.client, log });
  node.ready.then(
    () => send({ type: 'ready' }),
    (error: unknown) => send({ type: 'failed', error: describeError(error) }),
  );
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

async function openPodNetwork(
  { name, podCidr }: IslandStart,
  { network, client, log }: { network: IslandPodNetwork; client: ApiClient; log: Logger },
): Promise<void> {
  try {
    await network.open(podCidr ?? (await findPodCidr(client, name, log)));
  } catch (error) {
    if (!stopping.signal.aborted) log.error('Cannot make the pod network', { error });
  }
}

/** The range that the control plane gives this node, once it does. */
async function findPodCidr(client: ApiClient, name: string, log: Logger): Promise<string> {
  const found = Promise.withResolvers<string>();
  await using informer = new Informer<Node>({ client, resource: nodes, fieldSelector: `metadata.name=${name}`, log });
  informer.subscribe(({ type, object }) => {
    if (type !== 'deleted' && object.spec?.podCIDR) found.resolve(object.spec.podCIDR);
  });
  const { signal } = stopping;
  const abort = () => found.reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await found.promise;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
