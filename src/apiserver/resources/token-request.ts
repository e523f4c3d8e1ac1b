import { conflict, notFound } from '../../api/errors.ts';
import { type FieldError, invalid, invalidObject } from '../../api/field-error.ts';
import type { TokenRequest } from '../../api/kubernetes/authentication-v1.ts';
import type { ServiceAccount } from '../../api/kubernetes/core-v1.ts';
import type { JsonObject } from '../../api/object.ts';
import type { ObjectSource } from '../../auth/object-source.ts';
import type { ServiceAccountTokens } from '../../auth/service-account-tokens.ts';
import { formatTime } from '../../lib/clock.ts';
import type { ReviewHandler } from '../review.ts';
import { bindToken } from './token-binding.ts';

export interface TokenRequestHandlerOptions {
  readonly tokens: ServiceAccountTokens;
  /** Service accounts, pods, secrets and nodes. */
  readonly objects: ObjectSource;
  /** Resolves when `objects` is as new as the store is now: an account may be used right after it was made. @default they are always new */
  readonly refreshObjects?: () => Promise<void>;
  /** `--service-account-max-token-expiration`: longer ones are shortened, with a warning. */
  readonly maxExpirationSeconds?: number;
  /**
   * `--service-account-extend-token-expiration`: the tokens that pods mount stay valid for a year, so that clients which never read them
   * again go on working. @default false: tokens end when they say so
   */
  readonly extendExpiration?: boolean;
}

const kind = { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' };
const defaultSeconds = 3600;
const yearSeconds = 365 * 24 * 3600;
/** What ServiceAccount admission asks for, and nobody else by accident: it marks the tokens that may be extended. */
const mountedSeconds = 3607;

/**
 * `serviceaccounts/token`: signs a token. Who may do this is that service account.
 * Source: k8s.io/kubernetes `pkg/registry/core/serviceaccount/storage/token.go`.
 */
export function tokenRequestHandler(options: TokenRequestHandlerOptions): ReviewHandler {
  const { tokens, objects, refreshObjects, maxExpirationSeconds = 0, extendExpiration = false } = options;
  return async (object, { info, warn, annotate }) => {
    const { metadata = {}, spec = {} } = object as unknown as TokenRequest; // its type was checked when it was decoded
    const { name, namespace } = info;
    refuse(name, [...mustMatch('name', metadata.name, name), ...mustMatch('namespace', metadata.namespace, namespace)]);
    await refreshObjects?.();
    const account = objects.get<ServiceAccount>('serviceaccounts', { namespace, name });
    if (!account) throw notFound({ group: '', resource: 'serviceaccounts' }, name);
    const { uid = '' } = account.metadata ?? {};
    if (metadata.uid && metadata.uid !== uid) {
      const why = `the UID in the token request (${metadata.uid}) does not match the UID of the service account (${uid})`;
      throw conflict({ group: kind.group, resource: kind.kind }, name, why);
    }
    const asked = spec.expirationSeconds ?? defaultSeconds;
    refuse('', judgeExpiration(asked));
    const audiences = spec.audiences?.length ? spec.audiences : tokens.apiAudiences;
    const binding = bindToken(spec.boundObjectRef, { namespace, name }, objects);

    const shorten = maxExpirationSeconds > 0 && asked > maxExpirationSeconds;
    const seconds = shorten ? maxExpirationSeconds : asked;
    if (shorten) warn(`requested expiration of ${asked} seconds shortened to ${seconds} seconds`);
    const ofApi = audiences.every((audience) => tokens.apiAudiences.includes(audience));
    const extend = extendExpiration && binding.pod !== undefined && seconds === mountedSeconds && ofApi;
    const issued = await tokens.issue({
      namespace,
      serviceAccount: { name, uid },
      ...binding,
      audiences,
      lifetimeSeconds: extend ? yearSeconds : seconds,
      ...(extend && { warnAfterSeconds: seconds }),
    });
    annotate('authentication.kubernetes.io/issued-credential-id', `JTI=${issued.id}`);
    return {
      ...object,
      metadata: { ...object.metadata, name, namespace, creationTimestamp: formatTime(issued.issuedAtMs) },
      spec: { ...(spec as JsonObject), audiences: [...audiences], expirationSeconds: seconds }, // decoded JSON
      status: { token: issued.token, expirationTimestamp: formatTime(issued.issuedAtMs + seconds * 1000) },
    };
  };
}

function mustMatch(field: 'name' | 'namespace', given: string | undefined, wanted: string): FieldError[] {
  if (!given || given === wanted) return [];
  return [invalid(`metadata.${field}`, given, `must match the service account ${field} if specified`)];
}

function judgeExpiration(seconds: number): FieldError[] {
  const complain = (detail: string) => [invalid('spec.expirationSeconds', seconds, detail)];
  if (seconds < 600) return complain('may not specify a duration less than 10 minutes');
  if (seconds > 2 ** 32) return complain('may not specify a duration larger than 2^32 seconds');
  return [];
}

function refuse(name: string, errors: readonly FieldError[]): void {
  if (errors.length > 0) throw invalidObject(kind, name, errors);
}
