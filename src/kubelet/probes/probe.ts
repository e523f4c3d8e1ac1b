import { request as requestHttps } from 'node:https';
import { connect } from 'node:net';
import type { Container, HTTPGetAction, Probe } from '../../api/kubernetes/core-v1.ts';
import { request as requestHttp } from '../../lib/node-http.ts';
import { kubernetesVersion } from '../../lib/version.ts';
import { checkGrpcHealth } from './grpc-health.ts';

export interface ProbeResult {
  readonly success: boolean;
  /** Why not, for the `Unhealthy` event. */
  readonly message: string;
}

/** What a probe or a lifecycle hook acts on. */
export interface ProbeTarget {
  readonly container: Container;
  readonly podIp: string;
  /** Runs a command in the container and gives its exit code and the beginning of its output. */
  exec(command: readonly string[], signal: AbortSignal): Promise<{ exitCode: number; output: string }>;
}

const maxRedirects = 10;

/** One try. Never rejects; what it takes longer than the probe's timeout is a failure. */
export async function runProbe(probe: Probe, target: ProbeTarget): Promise<ProbeResult> {
  const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000;
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    if (probe.exec) {
      const { exitCode, output } = await target.exec(probe.exec.command ?? [], signal);
      if (signal.aborted) return { success: false, message: `command timed out after ${timeoutMs / 1000}s` };
      return { success: exitCode === 0, message: output };
    }
    if (probe.httpGet) return await probeHttp(probe.httpGet, target, signal);
    if (probe.tcpSocket) {
      const host = probe.tcpSocket.host || target.podIp;
      return await probeTcp(host, resolvePort(probe.tcpSocket.port, target.container), signal);
    }
    if (probe.grpc) {
      const { port, service = '' } = probe.grpc;
      return await checkGrpcHealth({ host: target.podIp, port, service }, signal);
    }
    return { success: false, message: 'the probe has no handler' };
  } catch (error) {
    return { success: false, message: signal.aborted ? 'context deadline exceeded' : (error as Error).message };
  }
}

/** A GET as kubelets send it; also used by lifecycle hooks. 200 to 399 is success. */
export async function probeHttp(action: HTTPGetAction, target: ProbeTarget, signal: AbortSignal): Promise<ProbeResult> {
  const host = action.host || target.podIp;
  const scheme = (action.scheme ?? 'HTTP').toLowerCase();
  const path = action.path?.startsWith('/') ? action.path : `/${action.path ?? ''}`;
  const headers: Record<string, string> = {
    'user-agent': `kube-probe/${kubernetesVersion.major}.${kubernetesVersion.minor}`,
    accept: '*/*',
  };
  for (const { name, value } of action.httpHeaders ?? []) headers[name.toLowerCase()] = value;
  let url = new URL(
    `${scheme}://${host.includes(':') ? `[${host}]` : host}:${resolvePort(action.port, target.container)}${path}`,
  );
  for (let redirects = 0; ; redirects++) {
    const { status, location } = await get(url, headers, signal);
    const next = status >= 300 && status < 400 && location !== undefined ? new URL(location, url) : undefined;
    if (next && next.hostname === url.hostname) {
      if (redirects === maxRedirects) return { success: false, message: `stopped after ${maxRedirects} redirects` };
      url = next;
      continue;
    }
    const success = status >= 200 && status < 400;
    return { success, message: success ? '' : `HTTP probe failed with statuscode: ${status}` };
  }
}

/** Upstream verifies no certificate here: the pod is reached by address, and the answer only says that something answers. */
function get(
  url: URL,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<{ status: number; location: string | undefined }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; location: string | undefined }>();
  const send = url.protocol === 'https:' ? requestHttps : requestHttp;
  const call = send(url, { agent: false, headers, signal, rejectUnauthorized: false }, (response) => {
    resolve({ status: response.statusCode ?? 0, location: response.headers.location });
    response.destroy();
  });
  call.on('error', reject);
  call.end();
  return promise;
}

function probeTcp(host: string, port: number, signal: AbortSignal): Promise<ProbeResult> {
  const { promise, resolve } = Promise.withResolvers<ProbeResult>();
  const socket = connect({ host, port });
  socket.once('connect', () => resolve({ success: true, message: '' }));
  socket.once('error', (error) => resolve({ success: false, message: error.message }));
  const abort = () => resolve({ success: false, message: `dial tcp ${host}:${port}: i/o timeout` });
  signal.addEventListener('abort', abort, { once: true });
  return promise.finally(() => {
    signal.removeEventListener('abort', abort);
    socket.destroy();
  });
}

/** A number, or the name of one of the container's ports. */
export function resolvePort(port: number | string, { ports = [] }: Container): number {
  if (typeof port === 'number') return port;
  const named = ports.find(({ name }) => name === port)?.containerPort ?? Number(port);
  if (!Number.isInteger(named)) throw new Error(`invalid port: ${port}`);
  return named;
}
