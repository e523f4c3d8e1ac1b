import type { Lease } from '../api/kubernetes/coordination-v1.ts';
import type { Node } from '../api/kubernetes/core-v1.ts';
import { nodeRouteLabel } from '../api/node-route.ts';
import type { ObjectSource } from '../auth/object-source.ts';
import { CertificateAuthority, createAuthorityCertificate } from '../pki/certificate-authority.ts';
import { generateKeyPair } from '../pki/key.ts';
import type { Store } from '../storage/store.ts';
import { type ApiServerAccess, causeOf, probeCaller, probeRefusal } from './api-server-probes.ts';
import { type KubeletProbeOptions, probeKubelet } from './kubelet-probes.ts';
import type { PathResult } from './path-report.ts';
import { probeServices, type ServiceProbeOptions } from './service-probes.ts';

export interface ControlPlaneProbeOptions extends KubeletProbeOptions, ServiceProbeOptions {
  /** The API server as its clients reach it. */
  readonly access: Pick<ApiServerAccess, 'host' | 'port' | 'ca'>;
  /** Signs what the negative probes show. */
  readonly authority: CertificateAuthority;
  readonly store: Store;
  /** How many connections each node's agent carries. */
  readonly agents: () => ReadonlyMap<string, number>;
}

const probeTimeoutMs = 10_000;
/** A kubelet renews its lease every 10 s; upstream calls a node silent after 40 s. */
const leaseFreshMs = 40_000;

/** Walks every path that begins or ends in the control plane. Each probe has a deadline; none stores anything. */
export async function probeControlPlane(options: ControlPlaneProbeOptions): Promise<PathResult[]> {
  const signal = AbortSignal.timeout(probeTimeoutMs);
  const nodes = [...options.objects.list<Node>('nodes')];
  const results = await Promise.all([
    probeStore(options.store),
    probeComponents(options, signal),
    ...nodes.map((node) => probeNode(node, options, signal)),
    probeServices(options, signal),
    {
      path: 'apiserver-ssh',
      title: 'API server → nodes by SSH tunnels',
      verdict: 'unused',
      hops: [],
    } satisfies PathResult,
    probeRefusals(options, signal),
  ]);
  return results.flat();
}

async function probeStore(store: Store): Promise<PathResult[]> {
  const title = 'API server → store';
  const hop = { from: 'kube-apiserver', to: 'store (this process)' };
  const startedMs = performance.now();
  try {
    await store.get('/registry/health');
    const latencyMs = Math.round((performance.now() - startedMs) * 10) / 10;
    return [{ path: 'apiserver-store', title, verdict: 'proved', hops: [{ ...hop, latencyMs }] }];
  } catch (error) {
    return [{ path: 'apiserver-store', title, verdict: 'broken', hops: [hop], cause: causeOf(error) }];
  }
}

const components = [
  { path: 'scheduler-apiserver', title: 'scheduler → API server', commonName: 'system:kube-scheduler' },
  { path: 'controllers-apiserver', title: 'controllers → API server', commonName: 'system:kube-controller-manager' },
  { path: 'kube-proxy-apiserver', title: 'kube-proxy → API server', commonName: 'system:kube-proxy' },
] as const;

/** With certificates as those components have them. */
function probeComponents({ access, authority }: ControlPlaneProbeOptions, signal: AbortSignal): Promise<PathResult[]> {
  return Promise.all(
    components.map(async ({ commonName, ...path }) => {
      const certificate = await clientCertificate(authority, { commonName });
      return probeCaller({ ...access, certificate }, { ...path, from: commonName, signal });
    }),
  );
}

async function probeNode(node: Node, options: ControlPlaneProbeOptions, signal: AbortSignal): Promise<PathResult[]> {
  return [
    ...heartbeat(node, options.objects),
    ...agentOf(node, options),
    ...(await probeKubelet(node, options, signal)),
  ];
}

/** The kubelet's own path is walked by the kubelet: what it last wrote proves it. */
function heartbeat(node: Node, objects: ObjectSource): PathResult[] {
  const name = node.metadata?.name ?? '';
  const lease = objects.get<Lease>('leases.coordination.k8s.io', { namespace: 'kube-node-lease', name });
  const ageMs = Date.now() - Date.parse(lease?.spec?.renewTime ?? '');
  const path = { path: 'kubelet-apiserver', title: 'kubelet → API server', node: name };
  const hops = [{ from: `kubelet of ${name}`, to: 'kube-apiserver', identity: `system:node:${name}` }];
  if (ageMs < leaseFreshMs) return [{ ...path, verdict: 'proved', hops }];
  const cause = Number.isNaN(ageMs)
    ? 'it has never renewed its lease'
    : `its lease was renewed ${Math.round(ageMs / 1000)} s ago`;
  return [{ ...path, verdict: 'broken', hops, cause, next: `kubectl describe node ${name}` }];
}

function agentOf(node: Node, { agents }: ControlPlaneProbeOptions): PathResult[] {
  const name = node.metadata?.name ?? '';
  if (node.metadata?.labels?.[nodeRouteLabel] !== 'tunnel') return []; // a label that names no route is told by the dials
  const path = { path: 'agent-tunnel-server', title: 'agent → tunnel server', node: name };
  const hops = [{ from: `agent of ${name}`, to: 'tunnel server', identity: `system:node:${name}` }];
  if (agents().has(name)) return [{ ...path, verdict: 'proved', hops }];
  return [
    { ...path, verdict: 'broken', hops, cause: 'no agent of this node is connected', next: 'fairlead get routes' },
  ];
}

/** What must be refused. */
async function probeRefusals(
  { access, authority }: ControlPlaneProbeOptions,
  signal: AbortSignal,
): Promise<PathResult[]> {
  const keys = generateKeyPair();
  const stranger = new CertificateAuthority(await createAuthorityCertificate('kubernetes', keys, Date.now()), keys);
  const subject = { commonName: 'kubernetes-admin', organizations: ['system:masters'] };
  const [expired, foreign] = await Promise.all([
    clientCertificate(authority, { ...subject, lifetimeMs: -60_000 }),
    clientCertificate(stranger, subject),
  ]);
  return Promise.all([
    probeRefusal(access, {
      path: 'refused-without-credentials',
      title: 'refused: no certificate and no token',
      signal,
      anonymous: true,
    }),
    probeRefusal(
      { ...access, certificate: expired },
      { path: 'refused-expired', title: 'refused: an expired certificate', signal },
    ),
    probeRefusal(
      { ...access, certificate: foreign },
      { path: 'refused-wrong-ca', title: 'refused: a certificate of another CA', signal },
    ),
    probeRefusal(
      { ...access, token: 'no.such.token' },
      { path: 'refused-token', title: 'refused: a token that nobody signed', signal },
    ),
  ]);
}

async function clientCertificate(
  authority: CertificateAuthority,
  { lifetimeMs = 60_000, ...subject }: { commonName: string; organizations?: readonly string[]; lifetimeMs?: number },
): Promise<{ certificate: string; key: string }> {
  const { certificatePem, privateKeyPem } = await authority.issue({ ...subject, usages: ['client'], lifetimeMs });
  return { certificate: certificatePem, key: privateKeyPem };
}
