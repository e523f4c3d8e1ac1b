import type { Service } from '../../api/kubernetes/core-v1.ts';
import type { Logger } from '../../lib/log.ts';
import { endpointKey } from '../endpoint.ts';
import type { PortState } from '../proxy-state.ts';
import { answerJson, type HttpListener, listenHttp } from './http-listener.ts';

interface ServiceHealth {
  readonly port: number;
  readonly listener: HttpListener;
  endpoints: number;
}

export interface ServiceHealthOptions {
  readonly host: string;
  readonly log: Logger;
  readonly isProxyHealthy: () => boolean;
}

/** Answers on the health-check node port of each Service under `externalTrafficPolicy: Local` whether this node has endpoints of it. */
export class ServiceHealthServers implements AsyncDisposable {
  readonly #options: ServiceHealthOptions;
  readonly #servers = new Map<string, ServiceHealth>();

  constructor(options: ServiceHealthOptions) {
    this.#options = options;
  }

  /** Brings one Service's server in line. A port that is taken is told and tried again at the Service's next change. */
  async update(key: string, service: Service | undefined, ports: () => readonly PortState[]): Promise<void> {
    const port = healthPortOf(service);
    const present = this.#servers.get(key);
    if (present && present.port !== port) {
      this.#servers.delete(key);
      await present.listener[Symbol.asyncDispose]();
    }
    if (port === 0) return;
    const endpoints = countLocal(ports());
    const kept = this.#servers.get(key);
    if (kept) kept.endpoints = endpoints;
    else await this.#open(key, port, endpoints);
  }

  keys(): MapIterator<string> {
    return this.#servers.keys();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const servers = [...this.#servers.values()];
    this.#servers.clear();
    await Promise.all(servers.map(({ listener }) => listener[Symbol.asyncDispose]()));
  }

  async #open(key: string, port: number, endpoints: number): Promise<void> {
    const { host, log, isProxyHealthy } = this.#options;
    const [namespace = '', name = ''] = key.split('/');
    try {
      const listener = await listenHttp({ host, port }, (_, response) => {
        const local = this.#servers.get(key)?.endpoints ?? 0;
        const healthy = isProxyHealthy();
        response.setHeader('x-load-balancing-endpoint-weight', String(local));
        answerJson(response, local > 0 && healthy ? 200 : 503, {
          service: { namespace, name },
          localEndpoints: local,
          serviceProxyHealthy: healthy,
        });
      });
      this.#servers.set(key, { port, listener, endpoints });
    } catch (error) {
      log.warn('A health-check node port cannot be listened on', { service: key, port, error });
    }
  }
}

function healthPortOf(service: Service | undefined): number {
  const { type, externalTrafficPolicy, healthCheckNodePort = 0 } = service?.spec ?? {};
  return type === 'LoadBalancer' && externalTrafficPolicy === 'Local' ? healthCheckNodePort : 0;
}

/** Addresses, not ports: two ports of one pod are one endpoint. Those that are ending do not count. */
function countLocal(ports: readonly PortState[]): number {
  const here = ports.flatMap(({ endpoints }) => endpoints.filter((endpoint) => endpoint.local && endpoint.ready));
  return new Set(here.map(({ address }) => endpointKey({ address, port: 0 }))).size;
}
