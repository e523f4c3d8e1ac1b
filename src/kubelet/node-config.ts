import type { NodeAddress, Taint } from '../api/kubernetes/core-v1.ts';
import type { ApiClient } from '../client/client.ts';
import type { ClientCertificate } from '../client/client-config.ts';
import type { Logger } from '../lib/log.ts';
import type { Metrics } from '../lib/metrics.ts';
import type { BootstrapCredentials } from './node/join.ts';
import type { PodNetwork } from './pod-network.ts';
import type { ImageTable } from './runtimes/process/image-table.ts';
import type { Isolation } from './runtimes/process/isolation.ts';
import type { Runtime } from './runtimes/runtime.ts';
import type { Simulation } from './runtimes/simulated/simulation.ts';

/** The node's own way to be reached, where the control plane does not dial it: connections that its agent opened. */
export interface NodeTunnel extends AsyncDisposable {
  /** Why the control plane cannot reach the node now; `undefined` when it can. The Node is not Ready meanwhile. */
  notReady(): string | undefined;
}

/** What a tunnel's agent needs of the node that it serves. */
export interface NodeTunnelOptions {
  readonly nodeName: string;
  readonly addresses: readonly NodeAddress[];
  /** `https://host:port` of the API server, which takes agents on the same port. */
  readonly server: string;
  /** PEM of the cluster CA. */
  readonly ca: string;
  /** The node's client certificate, as it is now: it is renewed while the node runs. */
  readonly certificate: () => ClientCertificate | undefined;
  /** To be called when `notReady` may have changed. */
  readonly onChange: () => void;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** How one node agent is set up. */
export interface NodeConfig {
  /** A DNS name; it becomes the Node's name and the name in both certificates. */
  readonly name: string;
  /** The node's own directory: credentials, pods, logs. */
  readonly dataDirectory: string;
  /** Used while there is no valid certificate in `dataDirectory`: a join string, or server, token and CA or CA pin. */
  readonly bootstrap?: string | BootstrapCredentials;
  /** The API server's address, `https://host:port`, where it has moved since the node joined. It takes the place of what the node kept. */
  readonly server?: string;
  /** `host`: where the kubelet API listens. `port` 0 takes any free one. @default 127.0.0.1, 10250 */
  readonly listen?: { readonly host?: string; readonly port?: number };
  /** A plain HTTP `/healthz` on 127.0.0.1. @default none */
  readonly healthPort?: number;
  /** @default InternalIP: the listening address; Hostname: the name */
  readonly addresses?: readonly NodeAddress[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly taints?: readonly Taint[];
  /** @default 110 */
  readonly maxPods?: number;
  /** Overrides of what the machine has. */
  readonly capacity?: Readonly<Record<string, string>>;
  /** What runs pods without a runtime class. @default 'process' */
  readonly runtime?: 'process' | 'simulated' | Runtime;
  /** How pods behave that run on the simulated runtime. */
  readonly simulation?: Simulation;
  /** What image names mean to the process runtime, beside `fairlead/demo`. */
  readonly images?: ImageTable;
  /** @default probed */
  readonly isolation?: Isolation;
  /** @default one loopback address for each pod, from a range of the node's own */
  readonly podNetwork?: PodNetwork;
  /** Addresses of the cluster's resolvers, which pods are told of. @default none: pods get the node's own */
  readonly clusterDns?: readonly string[];
  /** What pods' `KUBERNETES_SERVICE_HOST` and `…_PORT` name. `service`: the Service's own address. @default the API server's address */
  readonly apiServerAddress?: 'service' | { readonly host: string; readonly port: number };
  /** Opens the way back from the control plane; part of the node's life. @default none: the control plane dials the node */
  readonly openTunnel?: (options: NodeTunnelOptions) => NodeTunnel;
  /** PEM of the CA for client certificates at the kubelet API. @default the cluster's CA */
  readonly clientCa?: string;
  /** What happens to pods' processes on disposal. @default 'leave-pods' */
  readonly onShutdown?: 'stop-pods' | 'leave-pods';
  /** The longest a pod may take to end on disposal. @default 5000 */
  readonly shutdownGraceMs?: number;
}

export interface RunningNode extends AsyncDisposable {
  readonly name: string;
  /** Of the kubelet API. */
  readonly port: number;
  /** Resolves when the Node is registered and Ready, and the kubelet API shows its certificate. */
  readonly ready: Promise<void>;
  /** The node's own client. */
  readonly client: ApiClient;
}
