import type {
  MutatingWebhookConfiguration,
  ValidatingWebhookConfiguration,
  WebhookClientConfig,
} from '../api/kubernetes/admissionregistration-v1.ts';
import type { APIService } from '../api/kubernetes/apiregistration-v1.ts';
import { connectBackend } from '../apiserver/backends/connect-backend.ts';
import { decodeCaBundle, type ServiceTrust, serviceBackend } from '../apiserver/backends/service-backend.ts';
import type { DestinationOptions } from '../apiserver/destinations/destination.ts';
import type { ObjectSource } from '../auth/object-source.ts';
import type { Dial } from '../stream/dial.ts';
import { causeOf } from './api-server-probes.ts';
import { tlsOf } from './https-probe.ts';
import type { PathHop, PathResult } from './path-report.ts';

export interface ServiceProbeOptions {
  readonly objects: ObjectSource;
  readonly destinations: DestinationOptions;
  readonly dial: Dial;
}

/** A Service that the API server calls as a client. */
interface Callee extends ServiceTrust {
  readonly path: 'apiserver-webhook' | 'apiserver-aggregated-api';
  readonly title: string;
  readonly service: { readonly namespace: string; readonly name: string; readonly port?: number };
  readonly next: string;
}

const unused = { verdict: 'unused', hops: [] } as const;

/** The ways to webhooks and aggregated APIs that are Services: resolved, dialled and verified, and nothing is asked. */
export async function probeServices(options: ServiceProbeOptions, signal: AbortSignal): Promise<PathResult[]> {
  const [hooks, apis] = [webhooksOf(options.objects), apiServicesOf(options.objects)];
  const walked = await Promise.all([...hooks, ...apis].map((callee) => probeCallee(callee, options, signal)));
  return [
    ...walked,
    ...(hooks.length > 0 ? [] : [{ ...unused, path: 'apiserver-webhook', title: 'API server → webhooks' }]),
    ...(apis.length > 0
      ? []
      : [{ ...unused, path: 'apiserver-aggregated-api', title: 'API server → aggregated APIs' }]),
  ];
}

async function probeCallee(
  { path, title, service, next, ...trust }: Callee,
  { destinations, dial }: ServiceProbeOptions,
  signal: AbortSignal,
): Promise<PathResult> {
  let hop: PathHop = { from: 'kube-apiserver', to: `Service ${service.namespace}/${service.name}` };
  const startedMs = performance.now();
  try {
    const backend = serviceBackend({ port: 443, ...service }, { destinations, ...trust });
    hop = { ...hop, address: `${backend.host}:${backend.port}` };
    const socket = await connectBackend(backend, {
      dial: (target, dialOptions) =>
        dial(target, {
          ...dialOptions,
          onRoute: (route) => {
            dialOptions.onRoute?.(route);
            hop = { ...hop, route: route.kind, ...(route.via !== undefined && { via: route.via }) };
          },
        }),
      signal,
    });
    const latencyMs = Math.round((performance.now() - startedMs) * 10) / 10;
    hop = { ...hop, tls: tlsOf(socket, backend.serverName), latencyMs };
    socket.destroy();
    if (backend.verify) return { path, title, verdict: 'proved', hops: [hop] };
    return { path, title, verdict: 'unverified', hops: [hop], cause: 'insecureSkipTLSVerify is set', next };
  } catch (error) {
    return { path, title, verdict: 'broken', hops: [hop], cause: causeOf(error), next };
  }
}

function webhooksOf(objects: ObjectSource): Callee[] {
  const group = 'admissionregistration.k8s.io';
  const [mutating, validating] = ['mutatingwebhookconfigurations', 'validatingwebhookconfigurations'];
  type Configuration = MutatingWebhookConfiguration | ValidatingWebhookConfiguration;
  return [mutating, validating].flatMap((resource) =>
    objects.list<Configuration>(`${resource}.${group}`).flatMap(({ metadata, webhooks = [] }) =>
      webhooks.flatMap(({ name, clientConfig }: { name: string; clientConfig: WebhookClientConfig }) => {
        const { service, caBundle } = clientConfig;
        if (!service) return [];
        const next = `kubectl get ${resource} ${metadata?.name} -o yaml`;
        return [
          {
            path: 'apiserver-webhook' as const,
            title: `API server → webhook ${name}`,
            service,
            next,
            caPem: decodeCaBundle(caBundle),
          },
        ];
      }),
    ),
  );
}

function apiServicesOf(objects: ObjectSource): Callee[] {
  return objects.list<APIService>('apiservices.apiregistration.k8s.io').flatMap(({ metadata, spec }) => {
    const { service, caBundle, insecureSkipTLSVerify } = spec ?? {};
    if (!service?.name || !service.namespace) return [];
    const { name, namespace, port } = service;
    return [
      {
        path: 'apiserver-aggregated-api' as const,
        title: `API server → aggregated API ${metadata?.name}`,
        service: { name, namespace, ...(port !== undefined && { port }) },
        next: `kubectl describe apiservice ${metadata?.name}`,
        caPem: decodeCaBundle(caBundle),
        verify: insecureSkipTLSVerify !== true,
      },
    ];
  });
}
