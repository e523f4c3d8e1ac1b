import type { Clock } from '../../lib/clock.ts';
import { ConfigError } from '../../lib/config-error.ts';
import type { Authentication, Authenticator, Credentials } from '../authenticator.ts';
import type { ObjectSource } from '../object-source.ts';
import type { ServiceAccountTokens } from '../service-account-tokens.ts';
import { anonymousAuthenticator } from './anonymous.ts';
import { bearerTokenAuthenticator, webSocketTokenAuthenticator } from './bearer-token.ts';
import { bootstrapTokenAuthenticator } from './bootstrap-token.ts';
import { clientCertificateAuthenticator } from './client-certificate.ts';
import { loopbackTokenAuthenticator } from './loopback-token.ts';
import { defaultRequestHeaders, type RequestHeaderOptions, requestHeaderAuthenticator } from './request-header.ts';
import { serviceAccountAuthenticator } from './service-account.ts';
import { type StaticToken, staticTokenAuthenticator } from './static-tokens.ts';
import type { TokenAuthenticator } from './token-authenticator.ts';
import type { AuthorityPool } from './verified-peers.ts';

/** What is left out is switched off. */
export interface AuthenticationOptions {
  /** The cluster CA: whose certificates are users. */
  readonly clientAuthorities?: AuthorityPool;
  readonly requestHeader?: Omit<RequestHeaderOptions, 'clock'>;
  /** The API server's token for itself. */
  readonly loopbackToken?: string;
  readonly staticTokens?: readonly StaticToken[];
  /** Switched on together with `objects`. */
  readonly serviceAccountTokens?: ServiceAccountTokens;
  /** @default true where there are `objects` */
  readonly bootstrapTokens?: boolean;
  /** Further judges of bearer tokens, for example a TokenReview. */
  readonly tokenAuthenticators?: readonly TokenAuthenticator[];
  /** Secrets, service accounts, pods and nodes. */
  readonly objects?: ObjectSource;
  /** Resolves when `objects` is as new as the store is now. @default they are always new */
  readonly refreshObjects?: () => Promise<void>;
  /** Exact paths, or `'any'` as upstream has it. @default nobody is anonymous */
  readonly anonymousPaths?: readonly string[] | 'any';
  /** What a token is for where its verifier named no audience. @default those of the service account tokens, or none */
  readonly apiAudiences?: readonly string[];
  readonly clock?: Clock;
}

/**
 * Everyone who can say who sent a request, in upstream's order: the API server itself, front proxy, client certificate, bearer token,
 * anonymous. A wrong credential is remembered and the next is tried (a bad certificate and a good token are a user); where nobody
 * succeeds and anything was wrong, the request is refused and not anonymous.
 * Source: k8s.io/kubernetes `pkg/kubeapiserver/authenticator/config.go`, k8s.io/apiserver `pkg/authentication/request/union`.
 * @throws {ConfigError} where every user could be a front proxy
 */
export function createAuthenticator(options: AuthenticationOptions): Authenticator {
  refuseSharedAuthority(options);
  const apiAudiences = options.apiAudiences ?? options.serviceAccountTokens?.apiAudiences ?? [];
  const clock = options.clock && { clock: options.clock };
  const refresh = options.refreshObjects && { refreshObjects: options.refreshObjects };
  const { objects, serviceAccountTokens, requestHeader, clientAuthorities, anonymousPaths } = options;
  const tokens: TokenAuthenticator[] = [
    options.loopbackToken === undefined ? [] : loopbackTokenAuthenticator(options.loopbackToken),
    options.staticTokens ? staticTokenAuthenticator(options.staticTokens, apiAudiences) : [],
    serviceAccountTokens && objects
      ? serviceAccountAuthenticator({ tokens: serviceAccountTokens, objects, ...refresh, ...clock })
      : [],
    objects && options.bootstrapTokens !== false
      ? bootstrapTokenAuthenticator({ objects, apiAudiences, ...clock })
      : [],
    ...(options.tokenAuthenticators ?? []),
  ].flat();
  const bearer = { authenticators: tokens, apiAudiences };
  const authenticators: Authenticator[] = [
    requestHeader ? requestHeaderAuthenticator({ ...requestHeader, ...clock }) : [],
    clientAuthorities ? clientCertificateAuthenticator({ authorities: clientAuthorities, ...clock }) : [],
    bearerTokenAuthenticator(bearer),
    webSocketTokenAuthenticator(bearer),
  ].flat();
  const names = { ...defaultRequestHeaders, ...requestHeader?.headers };
  return new AuthenticatorChain(authenticators, {
    anonymous: anonymousPaths && anonymousAuthenticator(anonymousPaths),
    consumedHeaders: [
      ...new Set(['authorization', ...standardHeaders, ...names.username, ...names.uid, ...names.group]),
    ],
    consumedPrefixes: [...new Set([...defaultRequestHeaders.extraPrefix, ...names.extraPrefix])],
  });
}

/** With one CA for both and no names, any client certificate could name any user. */
function refuseSharedAuthority({ clientAuthorities, requestHeader }: AuthenticationOptions): void {
  if (!clientAuthorities || !requestHeader || requestHeader.allowedNames.length > 0) return;
  const clients = new Set(clientAuthorities().map(({ fingerprint256 }) => fingerprint256));
  if (!requestHeader.authorities().some(({ fingerprint256 }) => clients.has(fingerprint256))) return;
  throw new ConfigError(
    '--requestheader-client-ca-file and --client-ca-file share a certificate: give another CA, or set --requestheader-allowed-names',
  );
}

const standardHeaders = [
  ...defaultRequestHeaders.username,
  ...defaultRequestHeaders.uid,
  ...defaultRequestHeaders.group,
];

interface ChainEnd {
  readonly anonymous: Authenticator | undefined;
  /** Credentials end at the authenticator: nothing behind may see or forward these. */
  readonly consumedHeaders: readonly string[];
  readonly consumedPrefixes: readonly string[];
}

class AuthenticatorChain implements Authenticator {
  readonly name = 'union';
  readonly #authenticators: readonly Authenticator[];
  readonly #end: ChainEnd;

  constructor(authenticators: readonly Authenticator[], end: ChainEnd) {
    this.#authenticators = authenticators;
    this.#end = end;
  }

  authenticate(credentials: Credentials): Authentication | Promise<Authentication> {
    return this.#ask(credentials, 0, []);
  }

  /** Stays synchronous until somebody has to wait. */
  #ask(credentials: Credentials, from: number, earlier: readonly Error[]): Authentication | Promise<Authentication> {
    let errors = earlier;
    for (let index = from; index < this.#authenticators.length; index++) {
      const result = this.#authenticators[index]?.authenticate(credentials) ?? { outcome: 'none' };
      if (result instanceof Promise) {
        return result.then((settled) => {
          if (settled.outcome === 'authenticated') return this.#accept(settled, credentials);
          return this.#ask(
            credentials,
            index + 1,
            settled.outcome === 'rejected' ? [...errors, settled.error] : errors,
          );
        });
      }
      if (result.outcome === 'authenticated') return this.#accept(result, credentials);
      if (result.outcome === 'rejected') errors = [...errors, result.error];
    }
    const [first, ...others] = errors;
    if (first === undefined) return this.#end.anonymous?.authenticate(credentials) ?? { outcome: 'none' };
    return {
      outcome: 'rejected',
      error: others.length === 0 ? first : new AggregateError(errors, errors.map(({ message }) => message).join('; ')),
    };
  }

  #accept(result: Authentication & { outcome: 'authenticated' }, { headers }: Credentials): Authentication {
    const { consumedHeaders, consumedPrefixes } = this.#end;
    const extras = Object.keys(headers).filter((name) => consumedPrefixes.some((prefix) => name.startsWith(prefix)));
    return { ...result, consumedHeaders: extras.length === 0 ? consumedHeaders : [...consumedHeaders, ...extras] };
  }
}
