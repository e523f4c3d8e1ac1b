import type { EgressNetwork } from '../../stream/dial.ts';
import type { KeyPairPem } from '../config.ts';

/** A server that the API server calls as a client: a webhook or an extension API server. Always TLS. */
export interface Backend {
  /** What is dialled: an address, or for a URL the name in it. */
  readonly host: string;
  readonly port: number;
  /** The node that hosts the endpoint, where one is known: it decides the route. */
  readonly node?: string;
  readonly network: EgressNetwork;
  /** For errors: `pod default/hook-0`, or the name in the URL. */
  readonly title: string;
  /** What its certificate must name; also sent as SNI. */
  readonly serverName: string;
  /** For the `Host` header. */
  readonly authority: string;
  /** Whom its certificate must come from; absent, the well-known authorities. */
  readonly caPem?: string;
  /** `false` only where the owner of the configuration said so. */
  readonly verify: boolean;
  /** What the API server shows. */
  readonly client?: KeyPairPem;
}

/** Where on the way to a backend a call failed. */
export type BackendHop = 'resolve' | 'dial' | 'tls' | 'request';

/** A backend that could not be called. The message names the address, the node and the route. */
export class BackendError extends Error {
  override readonly name = 'BackendError';
  readonly hop: BackendHop;

  constructor(hop: BackendHop, message: string, options?: ErrorOptions) {
    super(message, options);
    this.hop = hop;
  }
}
