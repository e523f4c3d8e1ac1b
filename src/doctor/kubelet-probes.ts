import type { Node } from '../api/kubernetes/core-v1.ts';
import type { KubeletClientConfig } from '../apiserver/config.ts';
import { createKubeletConnector } from '../apiserver/node-streams/kubelet-connector.ts';
import type { ObjectSource } from '../auth/object-source.ts';
import type { Logger } from '../lib/log.ts';
import type { Dial, DialRoute } from '../stream/dial.ts';
import { causeOf } from './api-server-probes.ts';
import { tlsOf } from './https-probe.ts';
import type { PathHop, PathResult } from './path-report.ts';

export interface KubeletProbeOptions {
  readonly objects: ObjectSource;
  readonly kubelet: KubeletClientConfig;
  readonly dial: Dial;
  readonly log: Logger;
}

/**
 * What the API server asks kubelets for. A pod that does not exist is asked about: the kubelet authenticates and authorizes before it looks for it, so
 * that nothing is run and nothing is read.
 */
const requests = [
  { path: 'apiserver-kubelet-logs', what: 'logs', method: 'GET', url: '/containerLogs/default/fairlead-doctor/none' },
  {
    path: 'apiserver-kubelet-exec',
    what: 'exec',
    method: 'POST',
    url: '/exec/default/fairlead-doctor/none?command=true&output=1',
  },
  {
    path: 'apiserver-kubelet-attach',
    what: 'attach',
    method: 'POST',
    url: '/attach/default/fairlead-doctor/none?output=1',
  },
  {
    path: 'apiserver-kubelet-port-forward',
    what: 'port-forward',
    method: 'POST',
    url: '/portForward/default/fairlead-doctor',
  },
  { path: 'apiserver-kubelet-metrics', what: 'metrics', method: 'GET', url: '/metrics' },
] as const;

/** Walks the API server's ways to the kubelet of one node, each on a connection of its own. */
export function probeKubelet(node: Node, options: KubeletProbeOptions, signal: AbortSignal): Promise<PathResult[]> {
  return Promise.all(requests.map((request) => probeRequest(node.metadata?.name ?? '', request, options, signal)));
}

async function probeRequest(
  node: string,
  { path, what, method, url }: (typeof requests)[number],
  { objects, kubelet, dial, log }: KubeletProbeOptions,
  signal: AbortSignal,
): Promise<PathResult> {
  const title = `API server → kubelet: ${what}`;
  let hop: PathHop = { from: 'kube-apiserver', to: `kubelet of ${node}` };
  const connector = createKubeletConnector({
    dial: (target, dialOptions) => {
      hop = { ...hop, address: `${target.host}:${target.port}` };
      return dial(target, { ...dialOptions, onRoute: (route) => (hop = withRoute(hop, route)) });
    },
    objects,
    certificateAuthorityPem: kubelet.certificateAuthorityPem,
    ...(kubelet.client && { clientCertificate: kubelet.client.certificatePem, clientKey: kubelet.client.keyPem }),
    ...(kubelet.preferredAddressTypes && { preferredAddressTypes: kubelet.preferredAddressTypes }),
    log,
  });
  const startedMs = performance.now();
  try {
    const answer = await connector.request(node, { method, path: url, signal });
    const tls = tlsOf(answer.socket as Parameters<typeof tlsOf>[0], node); // the connector's sockets are TLS
    answer.destroy();
    const status = answer.statusCode ?? 0;
    const latencyMs = Math.round((performance.now() - startedMs) * 10) / 10;
    const refused = status === 401 || status === 403;
    hop = {
      ...hop,
      tls,
      identity: 'kube-apiserver-kubelet-client',
      authorization: refused ? `refused with ${status}` : 'allowed',
      latencyMs,
    };
    const result = { path, title, node, hops: [hop] };
    if (refused) {
      const cause = `the kubelet refused the API server's certificate with ${status}`;
      return {
        ...result,
        verdict: 'broken',
        cause,
        next: 'kubectl auth can-i get nodes/proxy --as kube-apiserver-kubelet-client',
      };
    }
    if (kubelet.certificateAuthorityPem === undefined) {
      const cause = "the kubelet's certificate is not verified (--kubelet-certificate-authority is empty)";
      return { ...result, verdict: 'unverified', cause };
    }
    return { ...result, verdict: 'proved' };
  } catch (error) {
    return {
      path,
      title,
      node,
      hops: [hop],
      verdict: 'broken',
      cause: causeOf(error),
      next: `kubectl describe node ${node}`,
    };
  }
}

function withRoute(hop: PathHop, { kind, via }: DialRoute): PathHop {
  return { ...hop, route: kind, ...(via !== undefined && { via }) };
}
