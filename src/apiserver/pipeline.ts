import { randomUUID } from 'node:crypto';
import { ApiError } from '../api/errors.ts';
import type { Authentication, Authenticator } from '../auth/authenticator.ts';
import type { Authorizer } from '../auth/authorizer.ts';
import { anonymousUser, type UserInfo } from '../auth/user.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { decodeProtobufObject, isProtobufObject } from '../wire/object-protobuf.ts';
import { type Auditor, type AuditRecord, auditIdOf } from './audit/auditor.ts';
import { attributesOf, forbiddenRequest } from './authorize.ts';
import type { Body, Exchange, RequestContext } from './exchange.ts';
import type { ExchangeBase } from './exchange-base.ts';
import { impersonate } from './impersonation.ts';
import type { InFlight } from './in-flight.ts';
import { isLongRunning, type LongRunning } from './long-running.ts';
import { startDeadline } from './request-deadline.ts';
import { parseRequestInfo, type RequestInfo } from './request-info.ts';
import type { RequestMetrics } from './request-metrics.ts';
import { sendError, sendText, toApiError } from './respond.ts';
import { Warnings } from './warnings.ts';

export interface PipelineOptions {
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  readonly auditor: Auditor;
  readonly inFlight: InFlight;
  readonly longRunning: LongRunning;
  readonly requestMetrics: RequestMetrics;
  readonly requestTimeoutMs: number;
  readonly route: (context: RequestContext) => Promise<void>;
  /** Whether the request names a resource that exists: what clients make up is no label of a metric. */
  readonly isKnown: (info: RequestInfo) => boolean;
  readonly clock: Clock;
  readonly log: Logger;
}

export type IncomingExchange = Exchange & ExchangeBase;

/** Told to clients as upstream does; there are no flow schemas, so these name none. */
const flowSchemaUid = randomUUID();
const priorityLevelUid = randomUUID();

/** Every request's way, in upstream's order: authenticate, audit, impersonate, limit, authorize, route. */
export class Pipeline {
  readonly #options: PipelineOptions;
  readonly #open = new Map<Promise<void>, { readonly streams: boolean }>();

  constructor(options: PipelineOptions) {
    this.#options = options;
  }

  /** Takes a request. Never rejects: every failure is answered. */
  handle(exchange: IncomingExchange): void {
    const info = parseRequestInfo(exchange.method, exchange.path, exchange.query);
    const done: Promise<void> = this.#serve(exchange, info)
      .catch((error: unknown) => this.#log(exchange, error))
      .finally(() => this.#open.delete(done));
    this.#open.set(done, { streams: isLongRunning(info) && info.verb !== 'watch' });
  }

  /** Resolves when the requests of this moment have ended, streams such as exec and logs aside: those end with their connections. */
  async drained(): Promise<void> {
    await Promise.all([...this.#open].flatMap(([done, { streams }]) => (streams ? [] : [done])));
  }

  /** Resolves when all requests of this moment have ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#open.keys());
  }

  async #serve(exchange: IncomingExchange, info: RequestInfo): Promise<void> {
    const { requestMetrics, isKnown } = this.#options;
    const startedMs = performance.now();
    const auditId = auditIdOf(exchange.headers);
    exchange.setHeader('audit-id', auditId);
    exchange.setHeader('cache-control', 'no-cache, private');
    exchange.setHeader('x-kubernetes-pf-flowschema-uid', flowSchemaUid);
    exchange.setHeader('x-kubernetes-pf-prioritylevel-uid', priorityLevelUid);
    const request = { exchange, info, auditId };
    try {
      await this.#authenticated(request);
    } finally {
      requestMetrics.observe(info, {
        code: exchange.status,
        seconds: (performance.now() - startedMs) / 1000,
        known: isKnown(info),
        dryRun: exchange.query.has('dryRun'),
        longRunning: isLongRunning(info),
      });
    }
  }

  async #authenticated({ exchange, info, auditId }: Incoming): Promise<void> {
    const { authenticator, auditor, clock } = this.#options;
    const { headers, socket, path } = exchange;
    const asked = authenticator.authenticate({ headers, socket, path });
    const authentication = asked instanceof Promise ? await asked : asked;
    const user = authentication.outcome === 'authenticated' ? authentication.user : undefined;
    const record = auditor.begin({
      auditId,
      requestUri: exchange.url,
      info,
      user,
      headers,
      remoteAddress: socket.remoteAddress,
      receivedAtMs: clock.now(),
    });
    if (record?.wantsResponseObject) exchange.onBody = (body) => auditBody(record, body);
    if (authentication.outcome !== 'authenticated') return this.#refuse(exchange, authentication, record);
    if (authentication.user.username === anonymousUser.username) exchange.closeConnection();
    if (authentication.consumedHeaders) exchange.removeHeaders(authentication.consumedHeaders);
    try {
      await this.#admitted({ exchange, info, authentication, record });
      record?.complete(exchange.status);
    } catch (error) {
      const refusal = toApiError(error);
      if (!(error instanceof ApiError)) {
        this.#log(exchange, error);
        record?.panic(refusal.message);
      }
      await sendError(exchange, refusal);
      if (error instanceof ApiError) record?.complete(refusal.code, refusal.status);
    }
  }

  async #admitted({ exchange, info, authentication, record }: Authenticated): Promise<void> {
    const { authorizer, inFlight, longRunning } = this.#options;
    const warnings = new Warnings();
    const warn = (text: string) => {
      warnings.add(text);
      exchange.setHeader('warning', warnings.headers);
    };
    for (const warning of authentication.warnings ?? []) warn(warning);
    let { user } = authentication;
    const impersonating = impersonate(exchange.headers, user, authorizer);
    if (impersonating) {
      const impersonation = await impersonating;
      user = impersonation.user;
      record?.impersonate(user);
      exchange.removeHeaders(impersonation.consumedHeaders);
    }
    const request = { exchange, info, user, warn, record };
    if (isLongRunning(info)) {
      using _counted = longRunning.enter(info);
      if (record) exchange.onHead = (status) => record.responseStarted(status);
      return await this.#authorized(request);
    }
    const exempt = user.groups.includes('system:masters');
    if (!exempt && !inFlight.enter(info.verb)) {
      return sendText(exchange, 429, 'Too many requests, please try again later.', { 'retry-after': 1 });
    }
    const deadline = startDeadline(exchange, this.#options.requestTimeoutMs);
    try {
      await this.#authorized(request);
    } finally {
      clearTimeout(deadline);
      if (!exempt) inFlight.release(info.verb);
    }
  }

  async #authorized({ exchange, info, user, warn, record }: Identified): Promise<void> {
    const { authorizer, route } = this.#options;
    const attributes = attributesOf(user, info, exchange.query);
    const pending = authorizer.authorize(attributes);
    const decision = pending instanceof Promise ? await pending : pending;
    const allowed = decision.verdict === 'allow';
    record?.annotate('authorization.k8s.io/decision', allowed ? 'allow' : 'forbid');
    record?.annotate('authorization.k8s.io/reason', decision.reason);
    if (!allowed) {
      exchange.setHeader('x-content-type-options', 'nosniff');
      throw forbiddenRequest(attributes, decision);
    }
    const annotate = (key: string, value: string) => record?.annotate(key, value);
    await route({ exchange, info, user, warn, annotate, audit: record });
  }

  async #refuse(
    exchange: IncomingExchange,
    authentication: Exclude<Authentication, { outcome: 'authenticated' }>,
    record: AuditRecord | undefined,
  ): Promise<void> {
    exchange.closeConnection();
    const cause = authentication.outcome === 'rejected' ? authentication.error : undefined;
    if (cause) this.#options.log.debug('Credentials refused', { path: exchange.path, error: cause });
    await sendError(exchange, new ApiError('Unauthorized', 'Unauthorized', { cause }));
    const { authorization } = exchange.headers;
    record?.failedAuthentication([
      ...(authorization === undefined ? [] : ['bearer']),
      ...(exchange.socket.getPeerX509Certificate() ? ['x509'] : []),
    ]);
  }

  #log({ method, path, signal }: IncomingExchange, error: unknown): void {
    if (!signal.aborted) this.#options.log.error('Request failed', { method, path, error });
  }
}

/** Bodies that hold no object, such as logs, and large compressed lists are not kept. */
function auditBody(record: AuditRecord, body: Body): void {
  const bytes =
    typeof body === 'string' ? Buffer.from(body) : body instanceof Uint8Array ? Buffer.from(body) : Buffer.concat(body);
  try {
    const object = isProtobufObject(bytes) ? decodeProtobufObject(bytes).object : JSON.parse(bytes.toString());
    record.responseObject(object);
  } catch {
    // no object: see above
  }
}

interface Incoming {
  readonly exchange: IncomingExchange;
  readonly info: RequestInfo;
  readonly auditId: string;
}

interface Authenticated {
  readonly exchange: IncomingExchange;
  readonly info: RequestInfo;
  readonly authentication: Extract<Authentication, { outcome: 'authenticated' }>;
  readonly record: AuditRecord | undefined;
}

interface Identified {
  readonly exchange: IncomingExchange;
  readonly info: RequestInfo;
  readonly user: UserInfo;
  readonly warn: (text: string) => void;
  readonly record: AuditRecord | undefined;
}
