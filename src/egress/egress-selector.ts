import type { Duplex } from 'node:stream';
import type { DialTarget, EgressNetwork } from '../stream/dial.ts';
import type { ProxyLabels, ProxyStage } from './egress-metrics.ts';

/** Dials through one proxy server of an egress selector configuration. */
export interface ProxyDialer {
  /** For people: `GRPC unix:/path` or `HTTPConnect host:port`. */
  readonly name: string;
  readonly labels: ProxyLabels;
  /** A half-closable stream, as every dial gives. @throws {ProxyDialError} */
  dial(target: Pick<DialTarget, 'host' | 'port'>, options: { readonly signal: AbortSignal }): Promise<Duplex>;
}

/** What an `EgressSelectorConfiguration` says: which kind of traffic goes through which proxy server. */
export interface EgressSelector {
  /** `undefined` where the file lists no such name or says `Direct`: then the nodes' own routes decide. */
  dialer(network: EgressNetwork): ProxyDialer | undefined;
}

/** A proxied dial that failed on the way to the proxy server (`connect`) or at it (`proxy`). */
export class ProxyDialError extends Error {
  override readonly name = 'ProxyDialError';
  readonly stage: ProxyStage;
  constructor(stage: ProxyStage, message: string, options?: ErrorOptions) {
    super(message, options);
    this.stage = stage;
  }
}
