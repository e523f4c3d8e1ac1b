import { toJsonWebKey } from '../pki/jwt.ts';
import type { VerificationKey } from '../pki/signing-key.ts';
import type { ConnectHandler } from './review.ts';

export interface OidcDiscoveryOptions {
  /** The first of `--service-account-issuer`. */
  readonly issuer: string;
  /** `--service-account-jwks-uri`, or `https://<external address>/openid/v1/jwks`. */
  readonly jwksUri: string;
  readonly keys: readonly VerificationKey[];
}

/**
 * What others need to verify service account tokens without asking: handlers by path. There are none where the issuer is
 * no https URL, or one with a query or fragment.
 * Source: k8s.io/kubernetes `pkg/serviceaccount/openidmetadata.go`.
 */
export function oidcDiscoveryHandlers({
  issuer,
  jwksUri,
  keys,
}: OidcDiscoveryOptions): ReadonlyMap<string, ConnectHandler> {
  if (!isDiscoverable(issuer)) return new Map();
  const algorithms = [...new Set(keys.map(({ algorithm }) => algorithm))].sort();
  const configuration = JSON.stringify({
    issuer,
    jwks_uri: jwksUri,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: algorithms,
  });
  const keySet = JSON.stringify({ keys: keys.map(toJsonWebKey) });
  return new Map([
    ['/.well-known/openid-configuration', document('application/json', configuration)],
    ['/openid/v1/jwks', document('application/jwk-set+json', keySet)],
  ]);
}

function document(contentType: string, body: string): ConnectHandler {
  return async ({ exchange }) => {
    exchange.respond(200, { 'content-type': contentType, 'cache-control': 'public, max-age=3600' }, body);
  };
}

function isDiscoverable(issuer: string): boolean {
  if (!URL.canParse(issuer)) return false;
  const { protocol, search, hash } = new URL(issuer);
  return protocol === 'https:' && search === '' && hash === '' && !/[?#]/.test(issuer);
}
