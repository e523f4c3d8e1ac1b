import type { Node } from '../../api/kubernetes/core-v1.ts';
import { type Clock, formatTime } from '../../lib/clock.ts';
import type { ListenAddress } from '../kube-proxy-config.ts';
import { answerJson, type HttpListener, listenHttp } from './http-listener.ts';

/** A change that waits longer makes the proxy unhealthy. */
const patienceMs = 60_000;
const autoscalerTaint = 'ToBeDeletedByClusterAutoscaler';

/** What decides about a proxy's health. */
export interface ProxyHealth {
  readonly clock: Clock;
  /** Since when a change waits to be written. */
  pendingSinceMs(): number | undefined;
  lastSyncMs(): number | undefined;
  node(): Node | undefined;
}

export function isProxyAlive(health: ProxyHealth): boolean {
  const sinceMs = health.pendingSinceMs();
  return health.lastSyncMs() !== undefined && (sinceMs === undefined || health.clock.now() - sinceMs <= patienceMs);
}

/** A node that is about to go should get no new connections from balancers, though its proxy works. */
export function isNodeEligible(node: Node | undefined): boolean {
  if (node?.metadata?.deletionTimestamp) return false;
  return !(node?.spec?.taints ?? []).some(({ key }) => key === autoscalerTaint);
}

/** `/healthz` and `/livez` as balancers and kubelets ask for them. */
export function listenProxyHealth(
  address: ListenAddress,
  { health, onProbe }: { health: ProxyHealth; onProbe: (path: 'healthz' | 'livez', code: number) => void },
): Promise<HttpListener> {
  return listenHttp(address, (request, response) => {
    const path = request.url?.split('?')[0];
    if (path !== '/healthz' && path !== '/livez') {
      response.writeHead(404).end();
      return;
    }
    const eligible = isNodeEligible(health.node());
    const healthy = isProxyAlive(health) && (path === '/livez' || eligible);
    const code = healthy ? 200 : 503;
    const nowMs = health.clock.now();
    onProbe(path === '/healthz' ? 'healthz' : 'livez', code);
    answerJson(response, code, {
      lastUpdated: formatTime(health.lastSyncMs() ?? 0),
      currentTime: formatTime(nowMs),
      ...(path === '/healthz' && { nodeEligible: eligible }),
      healthy,
    });
  });
}
