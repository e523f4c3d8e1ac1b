import { duplicate, type FieldError, invalid, notSupported, required } from '../api/field-error.ts';
import { ConfigError } from '../lib/config-error.ts';
import { parseYaml } from '../lib/yaml.ts';
import type { EgressNetwork } from '../stream/dial.ts';

/** How one kind of traffic leaves: as `EgressSelectorConfiguration` says it, checked. */
export type EgressConnection =
  | { readonly protocol: 'Direct' }
  | { readonly protocol: 'GRPC'; readonly path: string }
  | { readonly protocol: 'HTTPConnect'; readonly proxy: { readonly path: string } | TlsProxy };

/** A proxy server on TCP: always TLS, with a client certificate. Paths are of PEM files. */
export interface TlsProxy {
  readonly host: string;
  readonly port: number;
  /** System roots where there is none. */
  readonly caBundle: string | undefined;
  readonly clientCert: string;
  readonly clientKey: string;
  /** The name that the proxy's certificate must have. */
  readonly serverName: string;
}

export type EgressConfiguration = ReadonlyMap<EgressNetwork, EgressConnection>;

const networks: readonly EgressNetwork[] = ['cluster', 'controlplane', 'etcd'];
const versions = ['apiserver.k8s.io/v1beta1', 'apiserver.k8s.io/v1alpha1'];
const connectionPath = 'service.connection';

/**
 * Parses an `EgressSelectorConfiguration`, YAML or JSON, with upstream's rules and texts. Unlike upstream, which takes it and then cannot dial,
 * a proxy at an `http://` address is refused.
 * @throws {ConfigError} with everything that is wrong
 */
export function parseEgressConfiguration(
  text: string,
  { exists }: { readonly exists: (path: string) => boolean },
): EgressConfiguration {
  const fields = new Fields();
  const root = fields.object(readYaml(text), '', ['apiVersion', 'kind', 'egressSelections']);
  const { apiVersion, kind } = root;
  if (kind !== 'EgressSelectorConfiguration') {
    throw new ConfigError(`invalid service configuration object ${JSON.stringify(kind ?? '')}`);
  }
  if (!versions.includes(String(apiVersion))) {
    throw new ConfigError(
      `no kind "EgressSelectorConfiguration" is registered for version ${JSON.stringify(apiVersion ?? '')}; expected ${versions[0]}`,
    );
  }
  const selections = fields.list(root.egressSelections, 'egressSelections').map((item, index) => {
    const path = `egressSelections[${index}]`;
    const selection = fields.object(item, path, ['name', 'connection']);
    return {
      name: fields.text(selection.name, `${path}.name`),
      connection: readConnection(fields, selection.connection, `${path}.connection`),
    };
  });
  fields.throwIfWrong();

  const errors: FieldError[] = [];
  const found = new Map<EgressNetwork, EgressConnection>();
  for (const { connection } of selections) errors.push(...validateConnection(connection, exists));
  const seen = new Set<string>();
  for (const [index, { name, connection }] of selections.entries()) {
    const canonical = name === 'master' ? 'controlplane' : name.toLowerCase();
    const network = networks.find((known) => known === canonical);
    if (seen.has(canonical)) errors.push(duplicate(`${connectionPath}[${index}]`, canonical));
    else if (!network) errors.push(notSupported(connectionPath, canonical, [...networks].sort()));
    else if (errors.length === 0) found.set(network, toConnection(connection));
    seen.add(canonical);
  }
  if (errors.length > 0) throw new ConfigError(errors.map(({ field, body }) => `${field}: ${body}`).join('; '));
  return found;
}

interface RawTls {
  readonly caBundle: string;
  readonly clientKey: string;
  readonly clientCert: string;
  readonly tlsServerName: string;
}

interface RawConnection {
  readonly proxyProtocol: string;
  readonly transport:
    | {
        readonly tcp: { readonly url: string; readonly tlsConfig: RawTls | undefined } | undefined;
        readonly uds: { readonly udsName: string } | undefined;
      }
    | undefined;
}

function readYaml(text: string): unknown {
  try {
    return parseYaml(text) ?? {};
  } catch (cause) {
    throw new ConfigError(`not YAML: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

function readConnection(fields: Fields, value: unknown, path: string): RawConnection {
  const connection = fields.object(value ?? {}, path, ['proxyProtocol', 'transport']);
  const transportPath = `${path}.transport`;
  const optional = <T>(item: unknown, read: (present: unknown) => T) =>
    item === undefined || item === null ? undefined : read(item);
  return {
    proxyProtocol: fields.text(connection.proxyProtocol, `${path}.proxyProtocol`),
    transport: optional(connection.transport, (present) => {
      const transport = fields.object(present, transportPath, ['tcp', 'uds']);
      return {
        tcp: optional(transport.tcp, (item) => {
          const tcp = fields.object(item, `${transportPath}.tcp`, ['url', 'tlsConfig']);
          return {
            url: fields.text(tcp.url, `${transportPath}.tcp.url`),
            tlsConfig: optional(tcp.tlsConfig, (config) => readTls(fields, config, `${transportPath}.tcp.tlsConfig`)),
          };
        }),
        uds: optional(transport.uds, (item) => {
          const uds = fields.object(item, `${transportPath}.uds`, ['udsName']);
          return { udsName: fields.text(uds.udsName, `${transportPath}.uds.udsName`) };
        }),
      };
    }),
  };
}

function readTls(fields: Fields, value: unknown, path: string): RawTls {
  const tls = fields.object(value, path, ['caBundle', 'clientKey', 'clientCert', 'tlsServerName']);
  const text = (name: string) => fields.text(tls[name], `${path}.${name}`);
  return {
    caBundle: text('caBundle'),
    clientKey: text('clientKey'),
    clientCert: text('clientCert'),
    tlsServerName: text('tlsServerName'),
  };
}

function validateConnection({ proxyProtocol, transport }: RawConnection, exists: (path: string) => boolean) {
  const at = (name: string) => `${connectionPath}.${name}`;
  const validateUds = (name: string) =>
    name === '' ? [invalid(at('udsName'), 'nil', 'UDSName should be present for UDS connections')] : [];
  switch (proxyProtocol) {
    case 'Direct':
      return transport
        ? [invalid(at('transport'), 'direct', 'Transport config should be absent for direct connect')]
        : [];
    case 'GRPC':
      if (!transport) return [required(at('transport'), 'transport must be set for GRPC')];
      return transport.uds ? validateUds(transport.uds.udsName) : [required(at('uds'), 'UDS must be set with GRPC')];
    case 'HTTPConnect':
      if (!transport) return [required(at('transport'), 'transport must be set for HTTPConnect')];
      if (transport.tcp && transport.uds) {
        return [invalid(at('tcp'), transport.tcp, 'TCP and UDS cannot both be set')];
      }
      if (transport.uds) return validateUds(transport.uds.udsName);
      return transport.tcp
        ? validateTcp(transport.tcp, exists)
        : [required(at('tcp'), 'One of TCP or UDS must be set')];
    default:
      return [notSupported(at('protocol'), proxyProtocol, ['Direct', 'HTTPConnect', 'GRPC'])];
  }
}

function validateTcp(
  { url, tlsConfig }: { readonly url: string; readonly tlsConfig: RawTls | undefined },
  exists: (path: string) => boolean,
): FieldError[] {
  const at = (name: string) => `${connectionPath}.${name}`;
  if (url.startsWith('http://')) {
    if (tlsConfig) return [invalid(at('tlsConfig'), 'nil', 'TLSConfig config should not be present when using HTTP')];
    return [invalid(at('url'), url, 'a proxy server over TCP must be verified: use https://')];
  }
  if (!url.startsWith('https://') || !URL.canParse(url)) {
    return [invalid(at('url'), url, 'supported connection protocols are http:// and https://')];
  }
  if (!tlsConfig) return [required(at('tlsConfig'), 'TLSConfig must be present when using HTTPS')];
  const file = (name: 'clientCert' | 'clientKey', what: string) => {
    const path = tlsConfig[name];
    if (path === '') return [invalid(at(`tlsConfig.${name}`), 'nil', `Using TLS requires ${name}`)];
    return exists(path) ? [] : [invalid(at(`tlsConfig.${name}`), path, `TLS client ${what} does not exist`)];
  };
  const { caBundle } = tlsConfig;
  return [
    ...(caBundle === '' || exists(caBundle)
      ? []
      : [invalid(at('tlsConfig.caBundle'), caBundle, 'TLS config ca bundle does not exist')]),
    ...file('clientCert', 'cert'),
    ...file('clientKey', 'key'),
  ];
}

/** Of a connection that has been validated. */
function toConnection({ proxyProtocol, transport }: RawConnection): EgressConnection {
  const path = transport?.uds?.udsName ?? '';
  if (proxyProtocol === 'Direct') return { protocol: 'Direct' };
  if (proxyProtocol === 'GRPC') return { protocol: 'GRPC', path };
  const { url = '', tlsConfig } = transport?.tcp ?? {};
  if (!tlsConfig) return { protocol: 'HTTPConnect', proxy: { path } };
  const { hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  return {
    protocol: 'HTTPConnect',
    proxy: {
      host,
      port: Number(port || 443),
      caBundle: tlsConfig.caBundle || undefined,
      clientCert: tlsConfig.clientCert,
      clientKey: tlsConfig.clientKey,
      serverName: tlsConfig.tlsServerName || host,
    },
  };
}

/** Reads plain data strictly and gathers what does not fit, in upstream's words. */
class Fields {
  readonly #wrong: string[] = [];

  object(value: unknown, path: string, known: readonly string[]): Readonly<Record<string, unknown>> {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.#wrong.push(`${path || 'the document'}: expected an object`);
      return {};
    }
    for (const name of Object.keys(value)) {
      if (!known.includes(name)) this.#wrong.push(`unknown field "${path ? `${path}.` : ''}${name}"`);
    }
    return value as Readonly<Record<string, unknown>>; // an object, as just seen
  }

  list(value: unknown, path: string): readonly unknown[] {
    if (value === undefined || value === null) return [];
    if (Array.isArray(value)) return value;
    this.#wrong.push(`${path}: expected a list`);
    return [];
  }

  text(value: unknown, path: string): string {
    if (value === undefined || value === null) return '';
    if (typeof value === 'string') return value;
    this.#wrong.push(`${path}: expected a string`);
    return '';
  }

  throwIfWrong(): void {
    if (this.#wrong.length > 0) throw new ConfigError(`strict decoding error: ${this.#wrong.join(', ')}`);
  }
}
