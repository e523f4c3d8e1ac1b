import { type Metrics, metricsContentType } from '../../lib/metrics.ts';
import { listenPlain, type PlainHandler, type PlainListener } from '../plain-listener.ts';
import type { KonnectivityAgent } from './run-agent.ts';

export interface AgentProbesOptions {
  readonly agent: KonnectivityAgent;
  readonly metrics: Metrics;
  readonly health: { readonly host: string; readonly port: number };
  readonly admin: { readonly host: string; readonly port: number };
  /** Further answers on the admin port. @default none */
  readonly adminRoutes?: Readonly<Record<string, PlainHandler>>;
}

/** The agent's health and admin ports, with upstream's paths and answers. */
export async function listenAgentProbes({
  agent,
  metrics,
  health,
  admin,
  adminRoutes = {},
}: AgentProbesOptions): Promise<{
  readonly health: PlainListener;
  readonly admin: PlainListener;
  [Symbol.asyncDispose](): Promise<void>;
}> {
  await using opened = new AsyncDisposableStack();
  const readiness = ({ url = '' }: { url?: string | undefined }) => {
    const verbose = new URL(url, 'http://localhost').searchParams.has('verbose');
    if (!agent.ready) {
      return { status: 503, body: '[+]ping ok\n[-]server-connected failed: no servers connected\n' };
    }
    return { status: 200, body: verbose ? '[+]ping ok\n[+]server-connected ok\ncheck passed\n' : 'ok' };
  };
  const healthListener = opened.use(
    await listenPlain(health, {
      '/healthz': () => ({ status: 200, body: 'ok' }),
      '/readyz': readiness,
      '/ready': readiness,
      '/metrics': async () => ({ status: 200, body: await metrics.render(), type: metricsContentType }),
    }),
  );
  const adminListener = opened.use(
    await listenPlain(admin, {
      ...adminRoutes,
      '/metrics': ({ headers }) => {
        const host = (headers.host ?? admin.host).replace(/:\d+$/, '');
        return { status: 301, body: '', location: `http://${host}:${healthListener.port}/metrics` };
      },
    }),
  );
  const resources = opened.move();
  return {
    health: healthListener,
    admin: adminListener,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
