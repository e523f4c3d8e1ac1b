import { getCiphers } from 'node:tls';
import { ConfigError } from '../lib/config-error.ts';
import type { ServerTls } from '../tunnel/server/server-tls.ts';

const versions = {
  '': 'TLSv1.2',
  VersionTLS10: 'TLSv1',
  VersionTLS11: 'TLSv1.1',
  VersionTLS12: 'TLSv1.2',
  VersionTLS13: 'TLSv1.3',
} as const;

/** Reads `--tls-min-version` by Go's names. @throws {ConfigError} */
export function parseTlsVersion(name: string): NonNullable<ServerTls['minVersion']> {
  if (Object.hasOwn(versions, name)) return versions[name as keyof typeof versions]; // just checked
  throw new ConfigError(`--tls-min-version: unknown TLS version "${name}"`);
}

/** Go's secure suites below TLS 1.3 by OpenSSL's names. */
const suites: Readonly<Record<string, string>> = {
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: 'ECDHE-ECDSA-AES128-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: 'ECDHE-ECDSA-AES256-SHA',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: 'ECDHE-RSA-AES128-SHA',
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: 'ECDHE-RSA-AES256-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
};
/** Always on with TLS 1.3, whatever is asked for. */
const tls13Suites = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'];

/** Reads `--cipher-suites` by Go's names into OpenSSL's list; `undefined` for the default. @throws {ConfigError} */
export function parseCipherSuites(names: readonly string[]): string | undefined {
  if (names.length === 0) return undefined;
  const chosen = names.flatMap((name) => {
    if (tls13Suites.includes(name)) return [];
    const suite = suites[name];
    if (!suite || !getCiphers().includes(suite.toLowerCase())) {
      throw new ConfigError(`--cipher-suites: cipher suite ${name} is not supported`);
    }
    return [suite];
  });
  return [...tls13Suites, ...chosen].join(':');
}
