import type { TLSSocket } from 'node:tls';
import type { UserInfo } from './user.ts';

/** What an authenticator may look at. Header names are lower case. */
export interface Credentials {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The connection, for its client certificate and for caching per connection. Absent for a TokenReview. */
  readonly socket: TLSSocket | undefined;
  /** Path without query: anonymous access depends on it. */
  readonly path: string;
  /** Audiences that a token must be for. @default the API server's own */
  readonly audiences?: readonly string[];
}

export type Authentication =
  | {
      readonly outcome: 'authenticated';
      readonly user: UserInfo;
      /** The audiences that matched, for a TokenReview. */
      readonly audiences?: readonly string[];
      /** Headers to remove before the request goes on, lower case. */
      readonly consumedHeaders?: readonly string[];
      /** Headers to put in the place of what was sent: a WebSocket request's subprotocols without the token among them. */
      readonly rewrittenHeaders?: Readonly<Record<string, string>>;
      /** Sent to the client as `Warning` headers. */
      readonly warnings?: readonly string[];
      /** Milliseconds since the epoch after which this identity must be proved again. */
      readonly expiresAtMs?: number;
    }
  | { readonly outcome: 'none' }
  /** Credentials were shown and are wrong: 401, and anonymous is not tried. `error` is for the log and the audit only. */
  | { readonly outcome: 'rejected'; readonly error: Error };

/** Says who sent a request. Never throws for what a client sent. */
export interface Authenticator {
  readonly name: string;
  /** Returns at once where nothing has to be looked up: this is on the path of every request. */
  authenticate(credentials: Credentials): Authentication | Promise<Authentication>;
}
