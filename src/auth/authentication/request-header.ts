import type { Clock } from '../../lib/clock.ts';
import type { Authentication, Authenticator, Credentials } from '../authenticator.ts';
import { withAuthenticatedGroup } from '../groups.ts';
import { headerValues, readExtra } from '../identity-headers.ts';
import { type AuthorityPool, VerifiedPeers } from './verified-peers.ts';

export interface RequestHeaderOptions {
  /** The front-proxy CA. Never the one of clients. */
  readonly authorities: AuthorityPool;
  /** Common names of proxies; empty allows every certificate of the front-proxy CA. */
  readonly allowedNames: readonly string[];
  readonly headers?: Partial<RequestHeaderNames>;
  readonly clock?: Clock;
}

/** Names in lower case. */
export interface RequestHeaderNames {
  readonly username: readonly string[];
  readonly uid: readonly string[];
  readonly group: readonly string[];
  readonly extraPrefix: readonly string[];
}

/** What kubeadm configures. */
export const defaultRequestHeaders: RequestHeaderNames = {
  username: ['x-remote-user'],
  uid: ['x-remote-uid'],
  group: ['x-remote-group'],
  extraPrefix: ['x-remote-extra-'],
};

/**
 * Users as a front proxy names them, believed only from a client certificate of the front-proxy CA with an allowed name.
 * Source: k8s.io/apiserver `pkg/authentication/request/headerrequest`.
 */
export function requestHeaderAuthenticator(options: RequestHeaderOptions): Authenticator {
  const names = { ...defaultRequestHeaders, ...options.headers };
  const allowed = new Set(options.allowedNames);
  const proxies = new VerifiedPeers<number>({
    authorities: options.authorities,
    ...(options.clock && { clock: options.clock }),
    derive({ commonName }, notAfterMs) {
      if (allowed.size > 0 && !allowed.has(commonName))
        throw new Error(`x509: subject with cn=${commonName} is not in the allowed list`);
      return notAfterMs;
    },
  });
  return {
    name: 'requestheader',
    authenticate(credentials): Authentication {
      if (!credentials.socket) return { outcome: 'none' };
      const proxy = proxies.verify(credentials.socket);
      if (proxy.state === 'absent') return { outcome: 'none' };
      if (proxy.state === 'invalid') return { outcome: 'rejected', error: proxy.error };
      return readUser(credentials.headers, names, proxy.value);
    },
  };
}

function readUser(headers: Credentials['headers'], names: RequestHeaderNames, expiresAtMs: number): Authentication {
  const username = names.username.flatMap((name) => headerValues(headers, name)).find((value) => value !== '');
  if (username === undefined) return { outcome: 'none' };
  const uid = names.uid.flatMap((name) => headerValues(headers, name)).find((value) => value !== '') ?? '';
  const groups = names.group.flatMap((name) => headerValues(headers, name));
  const extra = readExtra(headers, names.extraPrefix);
  return { outcome: 'authenticated', user: withAuthenticatedGroup({ username, uid, groups, extra }), expiresAtMs };
}
