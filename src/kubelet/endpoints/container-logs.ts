import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { readLog } from '../logs/read-log.ts';
import type { PodWorker } from '../pods/pod-worker.ts';
import type { ContainerInstance } from '../runtimes/runtime.ts';
import { HttpError, instancesOf, type KubeletApi, namesContainer, newestInstance } from './kubelet-api.ts';

interface LogQuery {
  readonly follow: boolean;
  readonly previous: boolean;
  readonly timestamps: boolean;
  readonly sinceMs: number | undefined;
  readonly tailLines: number | undefined;
  readonly limitBytes: number | undefined;
}

/** `GET /containerLogs/{ns}/{pod}/{container}` */
export async function serveContainerLogs(
  api: KubeletApi,
  {
    path,
    query,
    request,
    response,
  }: { path: readonly string[]; query: URLSearchParams; request: IncomingMessage; response: ServerResponse },
): Promise<void> {
  const [namespace = '', podName = '', name = ''] = path;
  if (podName === '') throw new HttpError(400, '{"message": "Missing podID."}');
  if (name === '') throw new HttpError(400, '{"message": "Missing container name."}');
  const options = parseLogQuery(query);
  const worker = api.manager.find(namespace, podName);
  if (!worker) throw new HttpError(404, `pod "${podName}" does not exist`);
  if (!namesContainer(worker.pod, name)) throw new HttpError(404, `container "${name}" not found in pod "${podName}"`);
  const instance = chooseInstance(worker, name, options.previous);
  const controller = new AbortController();
  request.socket.once('close', () => controller.abort());
  response.once('close', () => controller.abort());
  response.writeHead(200, { 'content-type': 'text/plain', 'transfer-encoding': 'chunked' });
  response.flushHeaders();
  const lines = worker.runtime.readLog
    ? worker.runtime.readLog(instance.id, { ...options, signal: controller.signal })
    : readLog(instance.logPath, { ...options, ended: () => !runs(worker, instance), signal: controller.signal });
  try {
    await pipeline(Readable.from(lines), response);
  } catch (error) {
    if (controller.signal.aborted || response.destroyed) return;
    response.end(`${(error as Error).message}\n`); // the 200 is out: the body is the only place left
  }
}

function runs(worker: PodWorker, { id }: ContainerInstance): boolean {
  return worker.runtime.listContainers().find((instance) => instance.id === id)?.state.phase === 'running';
}

/** @throws {HttpError} 400 with the sentence that kubectl shows */
function chooseInstance(worker: PodWorker, name: string, previous: boolean): ContainerInstance {
  const { pod } = worker;
  const instances = instancesOf(worker, name);
  if (previous) {
    const older =
      instances[0]?.state.phase === 'running' || isWaiting(worker, name) === undefined ? instances[1] : instances[0];
    if (older) return older;
    throw new HttpError(400, `previous terminated container "${name}" in pod "${pod.metadata?.name}" not found`);
  }
  const newest = newestInstance(worker, name);
  if (newest && newest.state.phase !== 'created') return newest;
  const reason = isWaiting(worker, name) ?? 'ContainerCreating';
  const texts: Record<string, string> = {
    ErrImagePull: "image can't be pulled",
    ImagePullBackOff: 'trying and failing to pull image',
  };
  throw new HttpError(
    400,
    `container "${name}" in pod "${pod.metadata?.name}" is waiting to start: ${texts[reason] ?? reason}`,
  );
}

function isWaiting({ pod }: PodWorker, name: string): string | undefined {
  const { containerStatuses = [], initContainerStatuses = [], ephemeralContainerStatuses = [] } = pod.status ?? {};
  const all = [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses];
  return all.find((status) => status.name === name)?.state?.waiting?.reason;
}

/** @throws {HttpError} 400 or 422 in the kubelet's words */
export function parseLogQuery(query: URLSearchParams): LogQuery {
  const tail = query.get('tailLines') ?? (query.get('tail') === 'all' ? null : query.get('tail'));
  const sinceSeconds = readInteger(query.get('sinceSeconds'));
  const tailLines = readInteger(tail);
  const limitBytes = readInteger(query.get('limitBytes'));
  const sinceTime = query.get('sinceTime');
  const sinceTimeMs = sinceTime ? Date.parse(sinceTime) : undefined;
  if (Number.isNaN(sinceTimeMs)) throw new HttpError(400, '{"message": "Unable to decode query."}');
  const stream = query.get('stream');
  const invalid =
    (tailLines !== undefined && tailLines < 0) ||
    (limitBytes !== undefined && limitBytes < 1) ||
    (sinceSeconds !== undefined && sinceSeconds < 1) ||
    (sinceSeconds !== undefined && sinceTime !== null) ||
    (stream !== null && stream !== 'All');
  if (invalid) throw new HttpError(422, '{"message": "Invalid request."}');
  return {
    follow: isTrue(query.get('follow')),
    previous: isTrue(query.get('previous')),
    timestamps: isTrue(query.get('timestamps')),
    sinceMs: sinceSeconds === undefined ? sinceTimeMs : Date.now() - sinceSeconds * 1000,
    tailLines,
    limitBytes,
  };
}

function readInteger(text: string | null): number | undefined {
  if (text === null || text === '') return undefined;
  if (!/^-?\d+$/.test(text)) throw new HttpError(400, '{"message": "Unable to decode query."}');
  return Number(text);
}

/** As the API's conversion of queries reads booleans. */
function isTrue(text: string | null): boolean {
  return text !== null && text !== '0' && text.toLowerCase() !== 'false';
}
