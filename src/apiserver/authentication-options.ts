import { readFileSync } from 'node:fs';
import { defaultAnonymousPaths } from '../auth/authentication/anonymous.ts';
import type { createAuthenticator } from '../auth/authentication/create-authenticator.ts';
import { parseStaticTokens } from '../auth/authentication/static-tokens.ts';
import { ConfigError } from '../lib/config-error.ts';
import { parseCertificates } from '../pki/certificate.ts';
import type { ApiServerConfig } from './config.ts';

/** What the configuration says of who may come, as the authenticators take it. Reads the token file. */
export function authenticationOptions(config: ApiServerConfig): Parameters<typeof createAuthenticator>[0] {
  const { clientCaPem, frontProxy, tokenAuthFile, bootstrapTokenAuth = true } = config;
  const { anonymousAuth = { paths: defaultAnonymousPaths } } = config;
  const pool = (pem: string) => {
    const certificates = parseCertificates(pem);
    return () => certificates;
  };
  const lower = (names: readonly string[]) => names.map((name) => name.toLowerCase());
  const allowed = anonymousAuth && !(config.authorizationModes ?? []).includes('AlwaysAllow');
  return {
    ...(clientCaPem !== undefined && { clientAuthorities: pool(clientCaPem) }),
    ...(frontProxy && {
      requestHeader: {
        authorities: pool(frontProxy.clientCaPem),
        allowedNames: frontProxy.allowedNames,
        headers: {
          username: lower(frontProxy.usernameHeaders),
          uid: lower(frontProxy.uidHeaders),
          group: lower(frontProxy.groupHeaders),
          extraPrefix: lower(frontProxy.extraHeaderPrefixes),
        },
      },
    }),
    ...(tokenAuthFile !== undefined && { staticTokens: parseStaticTokens(readFileSync(tokenAuthFile, 'utf8')) }),
    bootstrapTokens: bootstrapTokenAuth,
    ...(allowed && { anonymousPaths: anonymousAuth === true ? 'any' : anonymousAuth.paths }),
  };
}

/** @throws {ConfigError} everything open to everybody is never what somebody wanted */
export function checkAnonymous({ authorizationModes = [], anonymousAuth }: ApiServerConfig): void {
  if (!authorizationModes.includes('AlwaysAllow') || anonymousAuth === undefined || anonymousAuth === false) return;
  throw new ConfigError('--anonymous-auth: cannot be on together with --authorization-mode=AlwaysAllow');
}
