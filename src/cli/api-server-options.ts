import { readFileSync } from 'node:fs';
import type { ApiServerConfig, AuthorizationMode } from '../apiserver/config.ts';
import { ConfigError } from '../lib/config-error.ts';
import type { OptionSpec, OptionValues } from './command.ts';

/** Flags of kube-apiserver, with its names and meanings, that `server` and `up` take. */
export const apiServerOptions: readonly OptionSpec[] = [
  { flags: '--bind-address <address>', description: 'Address the API server listens on', default: '127.0.0.1' },
  { flags: '--secure-port <port>', description: 'Port of the API server (default: 6443, or the next free one)' },
  { flags: '--advertise-address <address>', description: 'Address that clients are told to use' },
  {
    flags: '--tls-san <names>',
    description: 'Further names and addresses for the serving certificate',
    repeatable: true,
  },
  { flags: '--authorization-mode <modes>', description: 'Authorizers in order (default: Node,RBAC)', repeatable: true },
  { flags: '--anonymous-auth <boolean>', description: 'Anonymous requests to health and cluster-info (default: true)' },
  { flags: '--token-auth-file <file>', description: 'Static bearer tokens, as CSV' },
  { flags: '--audit-policy-file <file>', description: 'Audit policy (audit.k8s.io/v1)' },
  { flags: '--audit-log-path <file>', description: 'Where audit events go; - is standard output' },
  { flags: '--audit-log-maxsize <megabytes>', description: 'Size at which the audit log is rotated' },
  { flags: '--audit-log-maxbackup <count>', description: 'Rotated audit logs that are kept' },
  { flags: '--audit-log-maxage <days>', description: 'Days that rotated audit logs are kept' },
  {
    flags: '--enable-admission-plugins <names>',
    description: 'Admission plugins beyond the default ones',
    repeatable: true,
  },
  {
    flags: '--disable-admission-plugins <names>',
    description: 'Default admission plugins to leave out',
    repeatable: true,
  },
  {
    flags: '--kubelet-certificate-authority <file>',
    description: "CA of kubelets' serving certificates (default: the cluster's own; empty: not verified, as upstream)",
  },
  {
    flags: '--egress-selector-config-file <file>',
    description:
      'EgressSelectorConfiguration: which traffic goes by which proxy server (default: each node by its route)',
  },
  { flags: '--kubelet-preferred-address-types <types>', description: 'Node address types in order', repeatable: true },
  {
    flags: '--proxy-strict',
    description: 'Refuse to proxy to nodes, pods and services by plain HTTP or unverified TLS',
  },
  {
    flags: '--proxy-certificate-authority <file>',
    description: 'CA of https: backends behind the proxy subresources (default: not verified, as upstream)',
  },
  { flags: '--service-cluster-ip-range <cidr>', description: 'Range of Service addresses (default: 10.96.0.0/12)' },
  { flags: '--max-requests-inflight <count>', description: 'Reading requests served at once (default: 400)' },
  { flags: '--max-mutating-requests-inflight <count>', description: 'Writing requests served at once (default: 200)' },
  { flags: '--event-ttl <duration>', description: 'How long events are kept (default: 1h)' },
  { flags: '--request-timeout <duration>', description: 'Bound of a request that is not long-running (default: 1m)' },
  {
    flags: '--shutdown-delay-duration <duration>',
    description: 'How long a shutdown is announced at /readyz before it begins (default: 0s)',
  },
];

const modes: readonly AuthorizationMode[] = ['Node', 'RBAC', 'AlwaysAllow', 'AlwaysDeny'];
const count = { min: 1, max: 1_000_000 };

/** The part of the configuration that the flags decide. @throws {ConfigError} naming the flag */
export function parseApiServerOptions(
  options: OptionValues,
): Partial<ApiServerConfig> & { readonly extraNames: readonly string[] } {
  const authorizationModes = options.list('authorizationMode').map(parseMode);
  const anonymousAuth = options.optionalFlag('anonymousAuth');
  if (authorizationModes.includes('AlwaysAllow') && anonymousAuth === true) {
    throw new ConfigError(
      '--anonymous-auth=true with --authorization-mode=AlwaysAllow would let anybody do anything: choose one of them',
    );
  }
  const policyFile = options.text('auditPolicyFile');
  const logPath = options.text('auditLogPath');
  const proxyAuthority = options.text('proxyCertificateAuthority');
  return {
    extraNames: options.list('tlsSan'),
    ...defined({
      advertiseAddress: options.text('advertiseAddress'),
      authorizationModes: authorizationModes.length > 0 ? authorizationModes : undefined,
      anonymousAuth: authorizationModes.includes('AlwaysAllow') ? false : anonymousAuth,
      tokenAuthFile: options.text('tokenAuthFile'),
      enableAdmissionPlugins: options.list('enableAdmissionPlugins'),
      disableAdmissionPlugins: options.list('disableAdmissionPlugins'),
      serviceClusterIpRange: options.text('serviceClusterIpRange'),
      maxRequestsInflight: options.integer('maxRequestsInflight', count),
      maxMutatingRequestsInflight: options.integer('maxMutatingRequestsInflight', count),
      eventTtlSeconds: seconds(options.durationMs('eventTtl')),
      requestTimeoutMs: options.durationMs('requestTimeout'),
      shutdownDelayMs: options.durationMs('shutdownDelayDuration'),
    }),
    proxy: defined({
      strict: options.flag('proxyStrict'),
      certificateAuthorityPem:
        proxyAuthority === undefined ? undefined : readFlagFile('--proxy-certificate-authority', proxyAuthority),
    }),
    ...(policyFile !== undefined && {
      audit: defined({
        policyYaml: readFlagFile('--audit-policy-file', policyFile),
        logPath,
        logMaxSizeMb: options.integer('auditLogMaxsize', count),
        logMaxBackups: options.integer('auditLogMaxbackup', count),
        logMaxAgeDays: options.integer('auditLogMaxage', count),
      }),
    }),
  };
}

/** What `--kubelet-certificate-authority` says: absent, the cluster's own CA; empty, upstream's looseness. */
export function parseKubeletAuthority(options: OptionValues): { readonly pem: string | undefined } | undefined {
  const file = options.text('kubeletCertificateAuthority');
  if (file === undefined) return undefined;
  return { pem: file === '' ? undefined : readFlagFile('--kubelet-certificate-authority', file) };
}

/** @throws {ConfigError} naming the flag and the file */
export function readFlagFile(flag: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ConfigError(`${flag}: cannot read ${path}`, { cause });
  }
}

function parseMode(text: string): AuthorizationMode {
  const mode = modes.find((known) => known === text);
  if (mode) return mode;
  throw new ConfigError(`--authorization-mode: expected ${modes.join(', ')}, got "${text}"`);
}

function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.round(ms / 1000);
}

/** Without the members that are undefined or empty lists, so that defaults apply. */
function defined<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(value).filter(
    ([, item]) => item !== undefined && !(Array.isArray(item) && item.length === 0),
  );
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
