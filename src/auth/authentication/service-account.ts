import type { KubeObject } from '../../api/object.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import type { Authentication } from '../authenticator.ts';
import { authenticatedGroup } from '../groups.ts';
import type { ObjectSource } from '../object-source.ts';
import type { NamedReference, ServiceAccountClaims } from '../service-account-claims.ts';
import { formatServiceAccountUsername, serviceAccountGroups } from '../service-account-name.ts';
import { clockLeewaySeconds, type ServiceAccountTokens } from '../service-account-tokens.ts';
import type { UserInfo } from '../user.ts';
import { matchAudiences, type TokenAuthenticator } from './token-authenticator.ts';

export interface ServiceAccountAuthenticatorOptions {
  readonly tokens: ServiceAccountTokens;
  readonly objects: ObjectSource;
  /** Resolves when `objects` is as new as the store is now. Asked before a token is refused for what is not there. @default they are always new */
  readonly refreshObjects?: () => Promise<void>;
  readonly clock?: Clock;
}

const extraPrefix = 'authentication.kubernetes.io/';

/**
 * Service accounts by their bound tokens. The signature is verified once per token; that the account, and the pod, secret or node it is
 * bound to, still exist is looked up with every use: a deleted one ends at once, where upstream remembers for ten seconds.
 * Source: k8s.io/kubernetes `pkg/serviceaccount/claims.go`.
 */
export function serviceAccountAuthenticator(options: ServiceAccountAuthenticatorOptions): TokenAuthenticator {
  const { tokens, objects, refreshObjects, clock = systemClock } = options;
  const users = new WeakMap<ServiceAccountClaims, UserInfo>();

  const accept = (claims: ServiceAccountClaims, audiences: readonly string[]): Authentication => {
    const user = users.get(claims) ?? identify(claims);
    users.set(claims, user);
    return { outcome: 'authenticated', user, audiences, expiresAtMs: claims.expiresAt * 1000 };
  };

  const judge = (claims: ServiceAccountClaims, wanted: readonly string[]): Authentication | Promise<Authentication> => {
    const audiences = matchAudiences(wanted, claims.audiences);
    const complaint = judgeAudiences(claims, audiences, wanted) ?? judgeTime(claims, clock.now());
    if (complaint !== undefined) return refuse(complaint);
    const missing = judgeObjects(claims, objects, clock.now());
    if (missing === undefined) return accept(claims, audiences);
    if (!refreshObjects) return refuse(missing);
    return refreshObjects().then(
      () => {
        const stillMissing = judgeObjects(claims, objects, clock.now());
        return stillMissing === undefined ? accept(claims, audiences) : refuse(stillMissing);
      },
      () => refuse(missing),
    );
  };

  return {
    name: 'serviceaccount',
    authenticateToken(token, wanted) {
      const known = tokens.remembered(token);
      if (known) return judge(known, wanted);
      if (!tokens.isOurs(token)) return { outcome: 'none' };
      return tokens.verify(token).then(
        (claims) => judge(claims, wanted),
        (error: Error): Authentication => ({ outcome: 'rejected', error }),
      );
    },
  };
}

function refuse(why: string): Authentication {
  return { outcome: 'rejected', error: new Error(why) };
}

function judgeAudiences(
  { audiences }: ServiceAccountClaims,
  matched: readonly string[],
  wanted: readonly string[],
): string | undefined {
  if (matched.length > 0) return undefined;
  return `token audiences ${JSON.stringify(audiences)} is invalid for the target audiences ${JSON.stringify(wanted)}`;
}

function judgeTime({ expiresAt, notBefore, issuedAt }: ServiceAccountClaims, nowMs: number): string | undefined {
  const now = nowMs / 1000;
  if (now - clockLeewaySeconds > expiresAt) return 'service account token has expired';
  if (now + clockLeewaySeconds < notBefore) return 'service account token is not valid yet';
  if (now + clockLeewaySeconds < issuedAt) return 'service account token is issued in the future';
  return undefined;
}

function judgeObjects(claims: ServiceAccountClaims, objects: ObjectSource, nowMs: number): string | undefined {
  const { namespace, serviceAccount, pod, secret, node } = claims;
  const judge = (
    resource: string,
    kind: string,
    inNamespace: string,
    reference: NamedReference | undefined,
    gone: string,
  ) =>
    reference &&
    judgeReference(
      objects.get(resource, { namespace: inNamespace, name: reference.name }),
      kind,
      reference,
      gone,
      nowMs,
    );
  const revoked = 'service account token has been invalidated';
  const deleted = `service account ${namespace}/${serviceAccount.name} has been deleted`;
  return (
    judge('serviceaccounts', 'service account', namespace, serviceAccount, deleted) ??
    judge('secrets', 'secret', namespace, secret, revoked) ??
    judge('pods', 'pod', namespace, pod, revoked) ??
    // the node beside a pod is only told, not judged
    (pod ? undefined : judge('nodes', 'node', '', node, revoked))
  );
}

/** A deletion that lies in the future is a grace period: the object still counts. */
function judgeReference(
  object: KubeObject | undefined,
  kind: string,
  reference: NamedReference,
  gone: string,
  nowMs: number,
): string | undefined {
  if (!object) return gone;
  const { uid = '', deletionTimestamp } = object.metadata ?? {};
  if (uid !== reference.uid) return `${kind} UID (${uid}) does not match claim (${reference.uid})`;
  const deletedAtMs = deletionTimestamp === undefined ? undefined : Date.parse(deletionTimestamp);
  if (deletedAtMs !== undefined && deletedAtMs < nowMs - clockLeewaySeconds * 1000) return gone;
  return undefined;
}

function identify({ namespace, serviceAccount, pod, node, id }: ServiceAccountClaims): UserInfo {
  const extra: [string, string | undefined][] = [
    ['credential-id', id === '' ? undefined : `JTI=${id}`],
    ['node-name', node?.name],
    ['node-uid', node?.uid || undefined],
    ['pod-name', pod?.name],
    ['pod-uid', pod?.uid],
  ];
  return {
    username: formatServiceAccountUsername({ namespace, name: serviceAccount.name }),
    uid: serviceAccount.uid,
    groups: [...serviceAccountGroups(namespace), authenticatedGroup],
    extra: Object.fromEntries(
      extra.flatMap(([key, value]) => (value === undefined ? [] : [[extraPrefix + key, [value]]])),
    ),
  };
}
