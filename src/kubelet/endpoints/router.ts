import type { IncomingMessage, ServerResponse } from 'node:http';
import { metricsContentType } from '../../lib/metrics.ts';
import { serveContainerLogs } from './container-logs.ts';
import { HttpError, type KubeletApi } from './kubelet-api.ts';
import { serveNodeLogs } from './node-logs.ts';
import { listPods, listRunningPods } from './pod-lists.ts';
import { servePortForward } from './port-forward.ts';
import { type CommandUpgrade, runCommand, serveAttach, serveExec } from './remote-command.ts';
import { renderContainerMetrics, renderResourceMetrics } from './resource-metrics.ts';
import { summarize } from './stats-summary.ts';

const json = 'application/json';
const text = 'text/plain; charset=utf-8';

export interface Answer {
  readonly type: string;
  readonly body: string | Uint8Array;
}

type Endpoint = (api: KubeletApi, url: URL, path: readonly string[]) => Answer | Promise<Answer>;

const getEndpoints: Readonly<Record<string, Endpoint>> = {
  healthz: (api, _url, [check]) => checkHealth(api, check),
  pods: (api) => asJson(listPods(api)),
  runningpods: (api) => asJson(listRunningPods(api)),
  configz: ({ configuration }) => asJson({ kubeletconfig: configuration }),
  stats: async (api, _url, [what]) => {
    if (what !== 'summary') throw new HttpError(404, '404 page not found');
    return asJson(await summarize(api));
  },
  metrics: async (api, _url, [what]) => {
    if (what === undefined || what === 'probes') return { type: metricsContentType, body: await api.metrics.render() };
    if (what === 'resource') return { type: metricsContentType, body: await renderResourceMetrics(api) };
    if (what === 'cadvisor') return { type: metricsContentType, body: await renderContainerMetrics(api) };
    throw new HttpError(404, '404 page not found');
  },
};

const upgradeEndpoints: Readonly<Record<string, (api: KubeletApi, upgrade: CommandUpgrade) => Promise<void>>> = {
  exec: serveExec,
  attach: serveAttach,
  portForward: servePortForward,
};

/** Serves a request that asks for no upgrade. @throws {HttpError} */
export async function serveRequest(api: KubeletApi, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'https://kubelet');
  const [first = '', ...path] = segments(url);
  const method = request.method ?? 'GET';
  if (first === 'containerLogs') {
    allow(method, ['GET']);
    return serveContainerLogs(api, { path, query: url.searchParams, request, response });
  }
  if (first === 'logs') {
    allow(method, ['GET']);
    return serveNodeLogs({ path, query: url.searchParams, response });
  }
  if (upgradeEndpoints[first]) throw new HttpError(400, 'Upgrade request required');
  if (first === 'run') {
    allow(method, ['POST']);
    return send(response, { type: json, body: await runCommand(api, path, url.searchParams) });
  }
  const endpoint = getEndpoints[first];
  if (!endpoint) throw new HttpError(404, '404 page not found');
  allow(method, first === 'stats' ? ['GET', 'POST'] : ['GET']);
  send(response, await endpoint(api, url, path));
}

/** Serves a request that asks for an upgrade. @throws {HttpError} before the connection is taken over */
export async function serveUpgrade(
  api: KubeletApi,
  url: URL,
  upgrade: Omit<CommandUpgrade, 'path' | 'query'>,
): Promise<void> {
  const [first = '', ...path] = segments(url);
  const endpoint = upgradeEndpoints[first];
  if (!endpoint) throw new HttpError(404, '404 page not found');
  allow(upgrade.upgrade.request.method ?? 'GET', ['GET', 'POST']);
  await endpoint(api, { ...upgrade, path, query: url.searchParams });
}

function segments(url: URL): string[] {
  try {
    return url.pathname.split('/').filter(Boolean).map(decodeURIComponent);
  } catch {
    throw new HttpError(400, 'invalid path');
  }
}

function checkHealth({ healthChecks }: KubeletApi, only: string | undefined): Answer {
  const failures: string[] = [];
  for (const [name, check] of Object.entries(healthChecks)) {
    if (only !== undefined && name !== only) continue;
    const error = check();
    failures.push(error ? `[-]${name} failed: ${error.message}` : `[+]${name} ok`);
    if (error) throw new HttpError(500, `${failures.join('\n')}\nhealthz check failed`);
  }
  if (only !== undefined && failures.length === 0) throw new HttpError(404, '404 page not found');
  return { type: text, body: 'ok' };
}

function allow(method: string, methods: readonly string[]): void {
  if (!methods.includes(method)) throw new HttpError(405, 'Method Not Allowed');
}

function asJson(value: unknown): Answer {
  return { type: json, body: JSON.stringify(value) };
}

function send(response: ServerResponse, { type, body }: Answer): void {
  response.writeHead(200, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}
