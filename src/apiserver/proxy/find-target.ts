import type { Node, Pod, Service } from '../../api/kubernetes/core-v1.ts';
import { nodeRouteLabel } from '../../api/node-route.ts';
import type { KubeObject } from '../../api/object.ts';
import type { Dial } from '../../stream/dial.ts';
import type { ProxyConfig } from '../config.ts';
import type { Destination } from '../destinations/destination.ts';
import { type NodeDestinationOptions, resolveNode } from '../destinations/resolve-node.ts';
import { resolvePod } from '../destinations/resolve-pod.ts';
import { resolveService } from '../destinations/resolve-service.ts';
import type { KubeletConnector } from '../node-streams/kubelet-connector.ts';
import type { RequestInfo } from '../request-info.ts';
import { trustOf } from './backend-trust.ts';
import { hostAndPort, openBackend } from './open-backend.ts';
import type { ProxyId } from './proxy-id.ts';
import type { ProxyPath } from './proxy-path.ts';
import type { ProxyTarget } from './proxy-target.ts';

export interface FindTargetOptions extends NodeDestinationOptions {
  readonly dial: Dial;
  readonly kubelet: KubeletConnector;
  readonly config: ProxyConfig;
}

export interface TargetRequest {
  readonly id: ProxyId;
  readonly info: RequestInfo;
  readonly path: ProxyPath;
}

type FindTarget = (request: TargetRequest, options: FindTargetOptions) => Promise<ProxyTarget>;

const kubeletConnectMs = 30_000;

/** A node: its kubelet, which proves itself by the node's identity whatever scheme was asked for, or another port of it. */
export const findNode: FindTarget = async ({ id, info, path }, options) => {
  const { objects, kubelet, kubeletVerified } = options;
  const { name } = id;
  const destination = await resolveNode(id, options);
  const { host, port } = destination;
  if (!destination.kubelet) {
    const owners = [objects.get<Node>('nodes', { namespace: '', name }) ?? []].flat();
    return targetAt(destination, { id, path, owners, defaultServerName: name }, options);
  }
  return {
    authority: hostAndPort(destination),
    transport: kubeletVerified ? 'verified' : 'unverified',
    tunnelledTo: tunnelledTo(destination, options),
    key: `kubelet ${name} ${hostAndPort(destination)}`,
    path: kubeletPath(info, path),
    open: async () => {
      const signal = AbortSignal.timeout(kubeletConnectMs);
      const { socket } = await kubelet.connect(name, { signal, address: { host, port } });
      return socket;
    },
  };
};

export const findPod: FindTarget = async ({ id, info: { namespace }, path }, options) => {
  const defaultPort = id.scheme === 'https' ? 443 : 80;
  const destination = resolvePod({ ...id, namespace, defaultPort }, options);
  const owners = [options.objects.get<Pod>('pods', { namespace, name: id.name }) ?? []].flat();
  return targetAt(destination, { id, path, owners, defaultServerName: destination.host }, options);
};

export const findService: FindTarget = async ({ id, info, path }, options) => {
  const { objects } = options;
  const { namespace } = info;
  const destination = resolveService({ ...id, namespace, label: info.name }, options);
  const service = objects.get<Service>('services', { namespace, name: id.name });
  const pod = destination.pod && objects.get<Pod>('pods', destination.pod);
  const owners = [service ?? [], pod ?? []].flat();
  return targetAt(destination, { id, path, owners, defaultServerName: `${id.name}.${namespace}.svc` }, options);
};

interface TrustBasis {
  readonly id: ProxyId;
  readonly path: ProxyPath;
  readonly owners: readonly KubeObject[];
  readonly defaultServerName: string;
}

function targetAt(
  destination: Destination,
  { id, path, owners, defaultServerName }: TrustBasis,
  options: FindTargetOptions,
): ProxyTarget {
  const { dial, config } = options;
  const { scheme } = id;
  const trust = trustOf({ scheme, owners, defaultServerName, clusterCaPem: config.certificateAuthorityPem });
  const authority = hostAndPort(destination);
  const proved = trust.kind === 'verified' ? ` ${trust.serverName} ${trust.fingerprint}` : '';
  return {
    authority,
    transport: trust.kind,
    tunnelledTo: tunnelledTo(destination, options),
    key: `${trust.kind} ${destination.node} ${destination.pod?.uid ?? ''} ${authority}${proved}`,
    path: `${path.path || '/'}${path.search}`,
    open: () => openBackend(destination, { trust, dial }),
  };
}

/** By the route that the node has recorded; the dial takes no other. */
function tunnelledTo({ node: name }: Destination, { objects }: FindTargetOptions): string | undefined {
  const node = objects.get<Node>('nodes', { namespace: '', name });
  const route = node?.metadata?.labels?.[nodeRouteLabel];
  return route === 'tunnel' || route === 'ssh' ? name : undefined;
}

/**
 * The path for a kubelet is written anew from the segments that were judged, so that none of them means another thing to it: servers differ on what
 * a backslash is, for example.
 */
function kubeletPath({ rest }: RequestInfo, { path, search }: ProxyPath): string {
  const segments = rest.filter((segment) => segment !== '').map(encodeURIComponent);
  const trailing = segments.length > 0 && path.endsWith('/') ? '/' : '';
  return `/${segments.join('/')}${trailing}${search}`;
}
