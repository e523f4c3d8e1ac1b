import { randomUUID } from 'node:crypto';
import { ApiError } from '../api/errors.ts';
import type { Authentication, Authenticator } from '../auth/authenticator.ts';
import type { Authorizer } from '../auth/authorizer.ts';
import { anonymousUser } from '../auth/user.ts';
import type { Logger } from '../lib/log.ts';
import { attributesOf, forbiddenRequest } from './authorize.ts';
import type { Exchange, RequestContext } from './exchange.ts';
import type { ExchangeBase } from './exchange-base.ts';
import { impersonate } from './impersonation.ts';
import type { InFlight } from './in-flight.ts';
import { parseRequestInfo, type RequestInfo } from './request-info.ts';
import { sendError, sendText } from './respond.ts';
import { Warnings } from './warnings.ts';

export interface PipelineOptions {
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  readonly inFlight: InFlight;
  readonly requestTimeoutMs: number;
  readonly route: (context: RequestContext) => Promise<void>;
  readonly log: Logger;
}

type IncomingExchange = Exchange & ExchangeBase;

/** Every request's way, in upstream's order: authenticate, audit, impersonate, limit, authorize, route. */
export class Pipeline {
  readonly #options: PipelineOptions;
  readonly #open = new Set<Promise<void>>();

  constructor(options: PipelineOptions) {
    this.#options = options;
  }

  /** Takes a request. Never rejects: every failure is answered. */
  handle(exchange: IncomingExchange): void {
    const done: Promise<void> = this.#serve(exchange)
      .catch((error: unknown) =>
        this.#options.log.error('Request failed', { method: exchange.method, path: exchange.path, error }),
      )
      .finally(() => this.#open.delete(done));
    this.#open.add(done);
  }

  /** Resolves when the requests of this moment have ended. */
  async drained(): Promise<void> {
    await Promise.all(this.#open);
  }

  async #serve(exchange: IncomingExchange): Promise<void> {
    exchange.setHeader('audit-id', auditId(exchange));
    exchange.setHeader('cache-control', 'no-cache, private');
    exchange.setHeader('x-kubernetes-pf-flowschema-uid', flowSchemaUid);
    exchange.setHeader('x-kubernetes-pf-prioritylevel-uid', priorityLevelUid);
    try {
      await this.#filter(exchange);
    } catch (error) {
      if (!(error instanceof ApiError) || error.code === 500) this.#report(exchange, error);
      await sendError(exchange, error, { fromFilter: error instanceof ApiError && error.reason === 'Forbidden' });
    }
  }

  async #filter(exchange: IncomingExchange): Promise<void> {
    const { authenticator, authorizer, inFlight, requestTimeoutMs, route } = this.#options;
    const info = parseRequestInfo(exchange.method, exchange.path, exchange.query);
    const { headers, socket, path } = exchange;
    const asked = authenticator.authenticate({ headers, socket, path });
    const authentication = asked instanceof Promise ? await asked : asked;
    if (authentication.outcome !== 'authenticated') return refuse(exchange, authentication);
    let { user } = authentication;
    if (user.username === anonymousUser.username) exchange.closeConnection();
    if (authentication.consumedHeaders) exchange.removeHeaders(authentication.consumedHeaders);
    const warnings = new Warnings();
    const warn = (text: string) => {
      warnings.add(text);
      exchange.setHeader('warning', warnings.headers);
    };
    for (const warning of authentication.warnings ?? []) warn(warning);

    const impersonation = await impersonate(exchange.headers, user, authorizer);
    if (impersonation) {
      user = impersonation.user;
      exchange.removeHeaders(impersonation.consumedHeaders);
    }

    const longRunning = isLongRunning(info);
    const exempt = longRunning || user.groups.includes('system:masters');
    if (!exempt && !inFlight.enter(info.verb)) {
      return sendText(exchange, 429, 'Too many requests, please try again later.', { 'retry-after': 1 });
    }
    const deadline = longRunning ? undefined : startDeadline(exchange, requestTimeoutMs);
    try {
      const attributes = attributesOf(user, info, exchange.query);
      const pending = authorizer.authorize(attributes);
      const decision = pending instanceof Promise ? await pending : pending;
      if (decision.verdict !== 'allow') throw forbiddenRequest(attributes, decision);
      await route({ exchange, info, user, warn, annotate() {} });
    } finally {
      clearTimeout(deadline);
      if (!exempt) inFlight.release(info.verb);
    }
  }

  #report(exchange: Exchange, error: unknown): void {
    if (exchange.signal.aborted) return;
    this.#options.log.error('Request failed', { method: exchange.method, path: exchange.path, error });
  }
}

const flowSchemaUid = randomUUID();
const priorityLevelUid = randomUUID();

/** Requests that last as long as their clients want. */
export function isLongRunning({ verb, subresource, isResourceRequest }: RequestInfo): boolean {
  return isResourceRequest && (verb === 'watch' || verb === 'proxy' || longSubresources.has(subresource));
}

const longSubresources: ReadonlySet<string> = new Set(['attach', 'exec', 'proxy', 'log', 'portforward']);

function auditId({ headers }: Exchange): string {
  const given = headers['audit-id'];
  return typeof given === 'string' && /^[\x21-\x7e]{1,64}$/.test(given) ? given : randomUUID();
}

async function refuse(
  exchange: IncomingExchange,
  authentication: Exclude<Authentication, { outcome: 'authenticated' }>,
): Promise<void> {
  exchange.closeConnection();
  const cause = authentication.outcome === 'rejected' ? authentication.error : undefined;
  await sendError(exchange, new ApiError('Unauthorized', 'Unauthorized', { cause }));
}

/** @throws {ApiError} `BadRequest` for a `timeout` that is no duration */
function startDeadline(exchange: IncomingExchange, maxMs: number): NodeJS.Timeout {
  const asked = exchange.query.get('timeout');
  const ms = asked ? Math.min(parseDuration(asked), maxMs) : maxMs;
  return setTimeout(() => {
    const error = new ApiError('Timeout', 'Timeout: request did not complete within the allotted timeout');
    exchange.abort(error);
    if (!exchange.responded) void sendError(exchange, error);
  }, ms).unref();
}

const units: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** A Go duration such as `32s` or `1m30s` in milliseconds. @throws {ApiError} `BadRequest` */
function parseDuration(text: string): number {
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)) {
    throw new ApiError(
      'BadRequest',
      `invalid timeout specified in the request URL - time: invalid duration ${JSON.stringify(text)}`,
    );
  }
  let ms = 0;
  for (const [, number, , unit = ''] of text.matchAll(/(\d+(\.\d+)?)(ns|us|µs|ms|s|m|h)/g))
    ms += Number(number) * (units[unit] ?? 0);
  return ms;
}
