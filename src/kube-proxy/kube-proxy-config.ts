import type { ProxyMode } from './proxier.ts';

/** How traffic of this node's own pods is told from other traffic, which is masqueraded on its way to a Service address. */
export type LocalDetector =
  | { readonly kind: 'none' }
  /** The pod addresses of the cluster or of the node; of either family. */
  | { readonly kind: 'cidrs'; readonly cidrs: readonly string[] }
  | { readonly kind: 'interface'; readonly name: string }
  | { readonly kind: 'interface-prefix'; readonly prefix: string };

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** One kube-proxy, for one node. */
export interface KubeProxyConfig {
  readonly nodeName: string;
  /** Absent: kernel rules where they can be written, user-space listeners otherwise. */
  readonly mode?: ProxyMode;
  /** @default none: only what must be is masqueraded */
  readonly localDetector?: LocalDetector;
  /** Masquerades everything that is sent to a cluster address. @default false */
  readonly masqueradeAll?: boolean;
  /** Bit of the packet mark that asks for masquerading. @default 14 */
  readonly masqueradeBit?: number;
  /** Where node ports answer: `primary` for the Node's own addresses, or CIDRs. @default primary */
  readonly nodePortAddresses?: 'primary' | readonly string[];
  /** The Node's own addresses. @default the Node object's internal addresses */
  readonly nodeAddresses?: readonly string[];
  /** Ranges of Service addresses: what is sent to an unused one is dropped. @default the ServiceCIDRs that the API server tells */
  readonly serviceCidrs?: readonly string[];
  /** Pause between two syncs, at least. @default 10 */
  readonly minSyncIntervalMs?: number;
  /** How often it is checked that the rules are still there, and how long a failed sync waits at most. @default 30000 */
  readonly syncIntervalMs?: number;
  /** How often all rules are written anew. @default one hour */
  readonly fullSyncIntervalMs?: number;
  /** `/healthz` and `/livez`. @default not served */
  readonly healthz?: ListenAddress;
  /** `/metrics`, `/proxyMode`, `/healthz`. @default not served */
  readonly metricsAddress?: ListenAddress;
  /** Put before `nft` and `conntrack`, to write rules in another network namespace: `['nsenter', '--net=/run/netns/a']`. */
  readonly commandPrefix?: readonly string[];
  /** User-space listeners: a range of loopback addresses, at least a /24, that belongs to this node. @default 127.96.0.0/16 */
  readonly loopbackRange?: string;
}
