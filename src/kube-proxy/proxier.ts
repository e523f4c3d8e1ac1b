import type { ProxyState } from './proxy-state.ts';

export type ProxyMode = 'nftables' | 'userspace';

/** A Service port and where this node answers for it. */
export interface ServedPort {
  readonly namespace: string;
  readonly name: string;
  /** `''` for the one port of a Service that gives it no name. */
  readonly portName: string;
  readonly protocol: string;
  readonly kind: 'cluster-ip' | 'node-port' | 'external-ip' | 'load-balancer';
  /** As clients know it. */
  readonly address: string;
  readonly port: number;
  /** Where it can be reached from this node: the same in kernel modes. */
  readonly listen: { readonly address: string; readonly port: number };
  /** The port could not be had: {@link listen} has another one. */
  readonly mapped: boolean;
}

/** Which Services a sync has to look at; `anew` also writes what is believed to be there already. */
export type ChangedServices = ReadonlySet<string> | 'all' | 'anew';

/** Makes a node answer for Services: kernel rules or listeners. */
export interface Proxier extends AsyncDisposable {
  readonly mode: ProxyMode;
  /** Brings the node in line with `state`. Calls never overlap. After a failure the next call has to be for all, anew. */
  sync(state: ProxyState, changed: ChangedServices): Promise<void>;
  /** False if somebody else has taken away what was set up. */
  isIntact(): Promise<boolean>;
  ports(): readonly ServedPort[];
}
