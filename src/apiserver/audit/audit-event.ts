import type { Status } from '../../api/errors.ts';
import type { JsonValue } from '../../api/object.ts';
import type { UserInfo } from '../../auth/user.ts';
import type { AuditLevel, AuditStage } from './audit-policy.ts';

/** One line of the audit log: `audit.k8s.io/v1 Event`, keys in upstream's order. */
export interface AuditEvent {
  kind: 'Event';
  apiVersion: 'audit.k8s.io/v1';
  level: AuditLevel;
  auditID: string;
  stage: AuditStage;
  requestURI: string;
  verb: string;
  user: AuditUser;
  impersonatedUser?: AuditUser;
  sourceIPs?: string[];
  userAgent?: string;
  objectRef?: AuditObjectRef;
  responseStatus?: Partial<Status>;
  requestObject?: JsonValue;
  responseObject?: JsonValue;
  requestReceivedTimestamp: string;
  stageTimestamp: string;
  annotations?: Record<string, string>;
}

export interface AuditUser {
  username?: string;
  uid?: string;
  groups?: readonly string[];
  extra?: Readonly<Record<string, readonly string[]>>;
}

export interface AuditObjectRef {
  resource?: string;
  namespace?: string;
  name?: string;
  uid?: string;
  apiGroup?: string;
  apiVersion?: string;
  resourceVersion?: string;
  subresource?: string;
}

/** An identity without what is empty. */
export function auditUser({ username, uid, groups, extra }: UserInfo): AuditUser {
  return {
    username,
    ...(uid !== '' && { uid }),
    ...(groups.length > 0 && { groups }),
    ...(Object.keys(extra).length > 0 && { extra }),
  };
}

const redacted = '<redacted>';

/** Keys whose values open doors, by the resource (with subresource) whose bodies hold them. */
const secretKeys: Readonly<Record<string, ReadonlySet<string>>> = {
  'serviceaccounts/token': new Set(['token']),
  tokenreviews: new Set(['token']),
  secrets: new Set(['token', 'token-secret', 'kubectl.kubernetes.io/last-applied-configuration']),
};

/**
 * One event as a line of JSON. Whatever the policy says about bodies, tokens in them are never written, and neither are those
 * that somebody put into the URL.
 */
export function encodeAuditEvent(event: AuditEvent, { omitManagedFields }: { omitManagedFields: boolean }): string {
  const { resource = '', subresource } = event.objectRef ?? {};
  const hidden = secretKeys[subresource ? `${resource}/${subresource}` : resource];
  const clean = (body: JsonValue) => cleanBody(body, { hidden, omitManagedFields });
  const line: AuditEvent = {
    ...event,
    requestURI: event.requestURI.replace(/([?&](?:access_token|token|bearer_token)=)[^&#]*/gi, `$1${redacted}`),
    ...(event.requestObject !== undefined && { requestObject: clean(event.requestObject) }),
    ...(event.responseObject !== undefined && { responseObject: clean(event.responseObject) }),
  };
  return `${JSON.stringify(line)}\n`;
}

interface Cleaning {
  hidden: ReadonlySet<string> | undefined;
  omitManagedFields: boolean;
}

function cleanBody(value: JsonValue, cleaning: Cleaning): JsonValue {
  const { hidden, omitManagedFields } = cleaning;
  if (hidden === undefined && !omitManagedFields) return value;
  if (Array.isArray(value)) return value.map((entry) => cleanBody(entry, cleaning));
  if (typeof value !== 'object' || value === null) return value;
  // An operation of a JSON patch names its key in a path.
  const patched = typeof value['path'] === 'string' ? value['path'].split('/').at(-1) : undefined;
  const hidesValue =
    patched !== undefined &&
    hidden !== undefined &&
    (hidden.has(patched) || patched === 'data' || patched === 'stringData');
  const entries = Object.entries(value).flatMap(([key, entry]): Array<[string, JsonValue]> => {
    if (omitManagedFields && key === 'managedFields') return [];
    if (key === 'value' && hidesValue) return [[key, redacted]];
    if (hidden?.has(key) && typeof entry === 'string') return [[key, redacted]];
    return [[key, cleanBody(entry, cleaning)]];
  });
  return Object.fromEntries(entries);
}
