import { type Metrics, metricsContentType } from '../../lib/metrics.ts';
import type { ListenAddress } from '../kube-proxy-config.ts';
import type { Proxier } from '../proxier.ts';
import { answerJson, type HttpListener, listenHttp } from './http-listener.ts';

/** `/metrics`, `/proxyMode`, `/healthz` and `/configz`, as upstream serves them; `/ports` says where each Service port is. */
export function listenProxyMetrics(
  address: ListenAddress,
  { metrics, proxier, config }: { metrics: Metrics; proxier: Proxier; config: unknown },
): Promise<HttpListener> {
  return listenHttp(address, async (request, response) => {
    switch (request.url?.split('?')[0]) {
      case '/metrics':
        response.writeHead(200, { 'content-type': metricsContentType });
        response.end(await metrics.render());
        return;
      case '/proxyMode':
        response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' });
        response.end(proxier.mode);
        return;
      case '/healthz':
        response.end('ok');
        return;
      case '/configz':
        answerJson(response, 200, { 'kubeproxy.config.k8s.io': config });
        return;
      case '/ports':
        answerJson(response, 200, proxier.ports());
        return;
      default:
        response.writeHead(404).end();
    }
  });
}
