import type { Logger } from '../lib/log.ts';
import type { Metrics } from '../lib/metrics.ts';
import type { Dial } from '../stream/dial.ts';

/** A value, or a function that gives the present one. It is asked before each call, so it must be cheap: cache files yourself. */
export type Current<T> = T | (() => T);

/** A client certificate chain and its key, both PEM. */
export interface ClientCertificate {
  readonly certificate: string;
  readonly key: string;
}

/** How one API server is reached and who is calling. */
export interface ClientConfig {
  /** `https://host:port`, with a path prefix where a reverse proxy wants one. Plain HTTP is refused. */
  readonly server: string;
  /** PEM bundle that the server's certificate must chain to. The system's roots are not trusted. */
  readonly ca: Current<string>;
  /** The name the server's certificate must carry. @default the host of `server` */
  readonly serverName?: string;
  /** When it changes, the next call opens a new connection and the old one drains; watches on it end as if the server had ended them. */
  readonly certificate?: Current<ClientCertificate | undefined>;
  /** Bearer token, sent with each call. */
  readonly token?: Current<string | undefined>;
  /** @default 'fairlead' */
  readonly userAgent?: string;
  /** Opens the byte stream under TLS. @default a TCP socket */
  readonly dial?: Dial;
  /** Of one call with its retries; of a watch, until its headers. @default 32_000 */
  readonly timeoutMs?: number;
  /** Of TCP, TLS and HTTP/2 set-up together. @default 10_000 */
  readonly connectTimeoutMs?: number;
  /** A connection without calls and watches is closed after this time. @default 90_000 */
  readonly idleTimeoutMs?: number;
  /** A longer answer fails the call. @default 256 MiB */
  readonly maxBodyBytes?: number;
  readonly log?: Logger;
  /** Gets `rest_client_requests_total`. */
  readonly metrics?: Metrics;
}

export function currentOf<T>(value: Current<T>): T {
  // A function type never is a T here: the T in use are strings, plain objects and undefined.
  return typeof value === 'function' ? (value as () => T)() : value;
}
