import { randomUUID } from 'node:crypto';
import type { Status } from '../../api/errors.ts';
import type { JsonValue } from '../../api/object.ts';
import type { UserInfo } from '../../auth/user.ts';
import { type Clock, formatMicroTime, systemClock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Metrics } from '../../lib/metrics.ts';
import type { AuditConfig } from '../config.ts';
import type { RequestInfo } from '../request-info.ts';
import { type AuditEvent, type AuditObjectRef, auditUser, encodeAuditEvent } from './audit-event.ts';
import { AuditLogFile, standardOutputSink } from './audit-log-file.ts';
import { type AuditDecision, type AuditPolicy, type AuditStage, auditLevels, evaluatePolicy } from './audit-policy.ts';
import { AuditQueue } from './audit-queue.ts';
import { parseAuditPolicy } from './parse-audit-policy.ts';

type HeaderMap = Readonly<Record<string, string | string[] | undefined>>;

/** One request as the server begins to audit it: after authentication, before impersonation. */
export interface AuditRequest {
  /** From {@link auditIdOf}; also sent back as the header `Audit-Id`. */
  readonly auditId: string;
  /** Path and query as they came. */
  readonly requestUri: string;
  readonly info: RequestInfo;
  /** Who was authenticated; `undefined` where that failed. */
  readonly user: UserInfo | undefined;
  readonly headers: HeaderMap;
  readonly remoteAddress: string | undefined;
  readonly receivedAtMs: number;
}

/**
 * What the server tells about one request, in this order: `impersonate`, `annotate` (any time), `requestObject`, `responseStarted`
 * (long-running requests only, with the answer's headers), `responseObject`, and exactly one of `complete`, `failedAuthentication` and `panic`.
 */
export interface AuditRecord {
  /** Shared by all events of one request. */
  readonly auditId: string;
  /** Whether the policy wants bodies: building them for nothing is the server's to avoid. */
  readonly wantsRequestObject: boolean;
  readonly wantsResponseObject: boolean;
  impersonate(user: UserInfo): void;
  /** The first value of a key stays. */
  annotate(key: string, value: string): void;
  /** What the URL did not say: the name and uid of a new object. */
  refersTo(object: Pick<AuditObjectRef, 'name' | 'namespace' | 'uid' | 'resourceVersion'>): void;
  /** The decoded body, or the patch as it came. */
  requestObject(object: JsonValue): void;
  responseStarted(code: number): void;
  responseObject(object: JsonValue): void;
  /** The answer was sent. `status` is the `Status` that was answered, if one was. */
  complete(code: number, status?: Partial<Status>): void;
  /** 401. `attempted` names the kinds of credentials shown: `bearer`, `x509`. */
  failedAuthentication(attempted: readonly string[]): void;
  /** A bug ended the request. */
  panic(message: string): void;
}

export interface Auditor extends AsyncDisposable {
  /** `undefined` where the policy wants nothing about the request: then there is nothing else to call. */
  begin(request: AuditRequest): AuditRecord | undefined;
}

export interface AuditorOptions {
  log: Logger;
  metrics: Metrics;
  /** @default systemClock */
  clock?: Clock;
}

/** Opens the log. Without a policy or without a log nothing is audited. @throws {ConfigError} for a policy that cannot be used */
export async function createAuditor(config: AuditConfig, options: AuditorOptions): Promise<Auditor> {
  const { log, metrics, clock = systemClock } = options;
  const { policyYaml, logPath } = config;
  const policy = policyYaml === undefined ? undefined : parseAuditPolicy(policyYaml);
  if (policy === undefined || logPath === undefined) {
    if (logPath !== undefined) log.warn('No audit policy file provided, no events will be recorded for log backend');
    return { begin: () => undefined, async [Symbol.asyncDispose]() {} };
  }
  const sink =
    logPath === '-' ? standardOutputSink : await AuditLogFile.open({ ...fileOptions(config, logPath), clock });
  const queue = new AuditQueue({ sink, log, metrics });
  return {
    begin: (request) => beginRecord(request, { policy, queue, clock }),
    [Symbol.asyncDispose]: () => queue[Symbol.asyncDispose](),
  };
}

/** The id a client chose, if it is sensible, or a new one. Never unique, never trusted. */
export function auditIdOf(headers: HeaderMap): string {
  const given = headers['audit-id'];
  return typeof given === 'string' && /^[\x21-\x7e]{1,128}$/.test(given) ? given : randomUUID();
}

function fileOptions({ logMaxSizeMb, logMaxBackups, logMaxAgeDays }: AuditConfig, path: string) {
  return {
    path,
    ...(logMaxSizeMb !== undefined && { maxSizeMb: logMaxSizeMb }),
    ...(logMaxBackups !== undefined && { maxBackups: logMaxBackups }),
    ...(logMaxAgeDays !== undefined && { maxAgeDays: logMaxAgeDays }),
  };
}

function beginRecord(
  request: AuditRequest,
  { policy, queue, clock }: { policy: AuditPolicy; queue: AuditQueue; clock: Clock },
): AuditRecord | undefined {
  const decision = evaluatePolicy(policy, request);
  if (decision.level === 'None') return undefined;
  const record = new OpenRecord(request, { decision, queue, clock });
  if (request.user) record.emit('RequestReceived');
  return record;
}

class OpenRecord implements AuditRecord {
  readonly auditId: string;
  readonly wantsRequestObject: boolean;
  readonly wantsResponseObject: boolean;
  readonly #event: Omit<AuditEvent, 'stage' | 'stageTimestamp'>;
  readonly #decision: AuditDecision;
  readonly #queue: AuditQueue;
  readonly #clock: Clock;

  constructor(
    request: AuditRequest,
    { decision, queue, clock }: { decision: AuditDecision; queue: AuditQueue; clock: Clock },
  ) {
    const depth = auditLevels.indexOf(decision.level);
    this.auditId = request.auditId;
    this.wantsRequestObject = depth >= auditLevels.indexOf('Request');
    this.wantsResponseObject = depth >= auditLevels.indexOf('RequestResponse');
    this.#decision = decision;
    this.#queue = queue;
    this.#clock = clock;
    this.#event = startOf(request, decision);
  }

  impersonate(user: UserInfo): void {
    this.#event.impersonatedUser = auditUser(user);
  }

  annotate(key: string, value: string): void {
    this.#event.annotations ??= {};
    this.#event.annotations[key] ??= value;
  }

  refersTo({ name, namespace, uid, resourceVersion }: AuditObjectRef): void {
    const ref = this.#event.objectRef;
    if (ref === undefined) return;
    if (name) ref.name ??= name;
    if (namespace) ref.namespace ??= namespace;
    if (uid) ref.uid ??= uid;
    if (resourceVersion) ref.resourceVersion ??= resourceVersion;
  }

  requestObject(object: JsonValue): void {
    if (this.wantsRequestObject) this.#event.requestObject = object;
  }

  responseStarted(code: number): void {
    this.#event.responseStatus = { metadata: {}, code };
    this.emit('ResponseStarted');
  }

  responseObject(object: JsonValue): void {
    if (this.wantsResponseObject) this.#event.responseObject = object;
  }

  complete(code: number, status: Partial<Status> = {}): void {
    const { message, reason, details, status: outcome } = status;
    this.#event.responseStatus = {
      metadata: {},
      ...(outcome && { status: outcome }),
      ...(message && { message }),
      ...(reason && { reason }),
      ...(details && { details }),
      code,
    };
    this.emit('ResponseComplete');
  }

  failedAuthentication(attempted: readonly string[]): void {
    const message =
      attempted.length === 0
        ? 'Authentication failed, no credentials provided'
        : `Authentication failed, attempted: ${attempted.join(', ')}`;
    this.#event.responseStatus = { metadata: {}, status: 'Failure', message, reason: 'Unauthorized', code: 401 };
    this.emit('ResponseStarted');
  }

  panic(message: string): void {
    const text = `APIServer panic'd: ${message}`;
    this.#event.responseStatus = { metadata: {}, status: 'Failure', message: text, reason: 'InternalError', code: 500 };
    this.emit('Panic');
  }

  emit(stage: AuditStage): void {
    const { omitStages, omitManagedFields } = this.#decision;
    if (omitStages.has(stage)) return;
    const { requestReceivedTimestamp, annotations, ...head } = this.#event;
    const event: AuditEvent = {
      ...head,
      stage,
      requestReceivedTimestamp,
      stageTimestamp: formatMicroTime(this.#clock.now()),
      ...(annotations && { annotations }),
    };
    this.#queue.push(encodeAuditEvent(event, { omitManagedFields }));
  }
}

function startOf(request: AuditRequest, { level }: AuditDecision): Omit<AuditEvent, 'stage' | 'stageTimestamp'> {
  const { info, user, headers } = request;
  const userAgent = headers['user-agent'];
  return {
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level,
    auditID: request.auditId,
    requestURI: request.requestUri,
    verb: info.verb,
    user: user ? auditUser(user) : {},
    sourceIPs: sourceAddresses(request),
    // Bounded: the client chooses it.
    ...(typeof userAgent === 'string' && { userAgent: userAgent.slice(0, 1024) }),
    ...(info.isResourceRequest && { objectRef: objectRefOf(info) }),
    requestReceivedTimestamp: formatMicroTime(request.receivedAtMs),
  };
}

/** Proxies' claims first, the peer itself last: only the last one is proved. */
function sourceAddresses({ headers, remoteAddress }: AuditRequest): string[] {
  const forwarded = headers['x-forwarded-for'];
  const claims = (Array.isArray(forwarded) ? forwarded.join(',') : (forwarded ?? '')).split(',').slice(0, 16);
  const real = headers['x-real-ip'];
  const addresses = [...claims, typeof real === 'string' ? real : '', remoteAddress ?? ''];
  const bare = addresses.map((address) => address.trim().replace(/^::ffff:/, '')).filter((address) => address !== '');
  return [...new Set(bare)];
}

function objectRefOf({ resource, namespace, name, group, version, subresource }: RequestInfo): AuditObjectRef {
  return {
    resource,
    ...(namespace !== '' && { namespace }),
    ...(name !== '' && { name }),
    ...(group !== '' && { apiGroup: group }),
    apiVersion: version,
    ...(subresource !== '' && { subresource }),
  };
}
