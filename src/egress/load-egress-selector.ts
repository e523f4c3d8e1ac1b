import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContext } from 'node:tls';
import { ConfigError } from '../lib/config-error.ts';
import { type Logger, silentLogger } from '../lib/log.ts';
import { type EgressConnection, parseEgressConfiguration, type TlsProxy } from './egress-configuration.ts';
import type { EgressSelector, ProxyDialer } from './egress-selector.ts';
import { grpcDialer } from './grpc-dialer.ts';
import { httpConnectDialer } from './http-connect-dialer.ts';
import { authorityOf } from './target-text.ts';

/**
 * Reads `--egress-selector-config-file`. The file itself is read once, as upstream does; the certificates that it names are read again when they
 * change.
 * @throws {ConfigError} naming the file and everything that is wrong in it
 */
export async function loadEgressSelector(
  path: string,
  { log = silentLogger }: { readonly log?: Logger } = {},
): Promise<EgressSelector> {
  try {
    const configuration = parseEgressConfiguration(await readFile(path, 'utf8'), { exists: existsSync });
    const dialers = new Map<string, ProxyDialer | undefined>();
    for (const [network, connection] of configuration) dialers.set(network, await createDialer(connection, log));
    return { dialer: (network) => dialers.get(network) };
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    const what =
      cause instanceof ConfigError ? path : `unable to read egress selector configuration from ${JSON.stringify(path)}`;
    throw new ConfigError(`--egress-selector-config-file: ${what}: ${message}`, { cause });
  }
}

async function createDialer(connection: EgressConnection, log: Logger): Promise<ProxyDialer | undefined> {
  switch (connection.protocol) {
    case 'Direct':
      return undefined;
    case 'GRPC':
      return grpcDialer({ path: connection.path });
    case 'HTTPConnect': {
      const { proxy } = connection;
      if ('path' in proxy) {
        const { path } = proxy;
        return httpConnectDialer({ name: `unix:${path}`, transport: 'uds', address: () => ({ path }) });
      }
      const credentials = await ProxyCredentials.open(proxy, log);
      const { host, port, serverName } = proxy;
      return httpConnectDialer({
        name: authorityOf({ host, port }),
        transport: 'tcp',
        address: async () => ({ host, port, serverName, context: await credentials.current() }),
      });
    }
  }
}

/** Certificate, key and CA of one proxy server, as the files have them now. Where one is bad, the last good ones are used. */
class ProxyCredentials {
  readonly #proxy: TlsProxy;
  readonly #log: Logger;
  #texts: readonly string[];
  #context: SecureContext;

  private constructor(proxy: TlsProxy, log: Logger, texts: readonly string[]) {
    this.#proxy = proxy;
    this.#log = log;
    this.#texts = texts;
    this.#context = toContext(texts);
  }

  static async open(proxy: TlsProxy, log: Logger): Promise<ProxyCredentials> {
    return new ProxyCredentials(proxy, log, await readTexts(proxy));
  }

  async current(): Promise<SecureContext> {
    try {
      const texts = await readTexts(this.#proxy);
      if (texts.some((text, index) => text !== this.#texts[index])) {
        this.#texts = texts;
        this.#context = toContext(texts);
      }
    } catch (error) {
      this.#log.warn('Certificates for the proxy server cannot be read; the last ones are used', { error });
    }
    return this.#context;
  }
}

function readTexts({ clientCert, clientKey, caBundle }: TlsProxy): Promise<string[]> {
  return Promise.all([clientCert, clientKey, ...(caBundle ? [caBundle] : [])].map((path) => readFile(path, 'utf8')));
}

function toContext([cert, key, ca]: readonly string[]): SecureContext {
  return createSecureContext({ cert, key, ...(ca !== undefined && { ca }), minVersion: 'TLSv1.2' });
}
