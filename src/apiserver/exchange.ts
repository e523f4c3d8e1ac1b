import type { IncomingMessage } from 'node:http';
import type { Readable, Writable } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { UserInfo } from '../auth/user.ts';
import type { AuditRecord } from './audit/auditor.ts';
import type { RequestInfo } from './request-info.ts';

export type HeaderValue = string | number | readonly string[];
export type Headers = Record<string, HeaderValue>;
export type Body = Uint8Array | string | readonly Uint8Array[];

/**
 * One request and its answer, the same over HTTP/1.1 and HTTP/2. Header names are lower case.
 * Exactly one of `respond`, `stream`, `events` and `upgrade` is used, once.
 */
export interface Exchange {
  readonly method: string;
  /** Decoded once by the URL parser; never contains `.` or `..` segments or encoded slashes. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Path and query as they came, for logs and audit. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly socket: TLSSocket;
  /** Aborts when the client goes away or the request's deadline passes. */
  readonly signal: AbortSignal;
  /** The whole body. @throws {ApiError} `RequestEntityTooLarge` */
  body(): Promise<Uint8Array>;
  /** The body as it arrives, for proxies. */
  bodyStream(): Readable;
  /** A header for the answer, whichever way it is given. */
  setHeader(name: string, value: HeaderValue): void;
  /** Whether an answer has begun: then nothing but the connection's end can tell of a failure. */
  readonly responded: boolean;
  /** A body in parts is sent as one, without being joined first. */
  respond(status: number, headers: Headers, body?: Body): void;
  /** Sends the headers at once; the caller writes and ends. `write` returning false means: wait for `drain`. */
  stream(status: number, headers: Headers): Writable;
  /** Sends the headers at once, for a watch: what it writes is shared with other watchers. */
  events(status: number, headers: Headers): EventSink;
  /** Ends the connection once its open requests are done: for clients that showed no valid credentials. */
  closeConnection(): void;
  /** Present where the client asked for an HTTP/1.1 upgrade. Taking it makes the caller own the socket. */
  readonly upgrade: Upgrade | undefined;
  /** Tells, for metrics and the audit log, that the owner of the socket has answered with a 101. */
  upgraded(): void;
}

/** Bytes for many watchers: encoded once, and framed as an HTTP/1.1 chunk once. */
export interface SharedBytes {
  readonly length: number;
  /** One after the other; they belong to others and are never changed. */
  readonly parts: readonly Uint8Array[];
  /** The same as one chunk of `Transfer-Encoding: chunked`. */
  readonly chunk: readonly Uint8Array[];
}

/** Where a watch writes its events. */
export interface EventSink {
  /** Returns false when the client reads too slowly: wait for `onDrain` before writing more. */
  write(shared: SharedBytes): boolean;
  /** Ends the answer properly. */
  end(): void;
  /** Breaks the answer off, so that the client sees a failure and not an end. */
  cut(): void;
  onDrain(listener: () => void): void;
  /** Called once, when the answer has ended whichever way. */
  onClose(listener: () => void): void;
}

export interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: TLSSocket;
  /** Bytes that came behind the request head. */
  readonly head: Buffer;
}

/** A request after authentication, authorization and routing. */
export interface RequestContext {
  readonly exchange: Exchange;
  readonly info: RequestInfo;
  readonly user: UserInfo;
  /** Adds a `Warning` header to the answer. */
  warn(message: string): void;
  /** Adds to the audit event. */
  annotate(key: string, value: string): void;
  /** Where the policy wants this request in the audit log. */
  readonly audit?: AuditRecord | undefined;
}
