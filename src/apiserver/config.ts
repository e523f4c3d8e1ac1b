/** Certificate chain and key of one end, PEM. */
export interface KeyPairPem {
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** A serving certificate that may be renewed while the server runs. */
export interface ServingCertificate {
  /** What to show to new connections now. */
  current(): KeyPairPem;
  /** Calls back when `current` has changed. */
  onChange?(listener: () => void): Disposable;
}

/** Who may speak for others through `X-Remote-*` headers. `--requestheader-*`. */
export interface FrontProxyConfig {
  readonly clientCaPem: string;
  /** Common names; empty means any. */
  readonly allowedNames: readonly string[];
  readonly usernameHeaders: readonly string[];
  readonly uidHeaders: readonly string[];
  readonly groupHeaders: readonly string[];
  readonly extraHeaderPrefixes: readonly string[];
}

/** `--service-account-*` and `--api-audiences`. */
export interface ServiceAccountConfig {
  /** The first one signs; all are accepted. */
  readonly issuers: readonly string[];
  readonly signingKeyPem: string;
  /** Further keys whose tokens are accepted. @default the signing key alone */
  readonly verificationKeysPem?: readonly string[];
  /** @default the issuers */
  readonly apiAudiences?: readonly string[];
  /** @default no limit beyond the API's own */
  readonly maxExpirationSeconds?: number;
  /** Tokens of one hour for pods live a year. @default false */
  readonly extendExpiration?: boolean;
  readonly jwksUri?: string;
}

/** How the API server reaches kubelets. `--kubelet-*`. */
export interface KubeletClientConfig {
  readonly client?: KeyPairPem;
  /** `undefined` is upstream's looseness: the kubelet's certificate is not verified. */
  readonly certificateAuthorityPem: string | undefined;
  /** @default ['Hostname', 'InternalDNS', 'InternalIP', 'ExternalDNS', 'ExternalIP'] */
  readonly preferredAddressTypes?: readonly string[];
  /** To connect and shake hands. @default 5_000 */
  readonly timeoutMs?: number;
}

/** What `nodes/proxy`, `pods/proxy` and `services/proxy` may do. */
export interface ProxyConfig {
  /** Refuses connections that would be plain HTTP or would not verify the backend. `--proxy-strict`. @default false */
  readonly strict?: boolean;
  /** Verifies `https:` backends that have no annotation of their own. `--proxy-certificate-authority`. @default they are not verified, as upstream */
  readonly certificateAuthorityPem?: string;
}

/** `--audit-*`. */
export interface AuditConfig {
  /** The policy file's text. Nothing is audited without one. */
  readonly policyYaml?: string;
  /** `-` is standard output. */
  readonly logPath?: string;
  readonly logMaxSizeMb?: number;
  readonly logMaxBackups?: number;
  readonly logMaxAgeDays?: number;
}

export type AuthorizationMode = 'Node' | 'RBAC' | 'AlwaysAllow' | 'AlwaysDeny';

/** What one API server does. Names and meanings are those of kube-apiserver's flags. */
export interface ApiServerConfig {
  /** `--bind-address` */
  readonly host: string;
  /** `--secure-port`; 0 takes a free one. */
  readonly port: number;
  readonly serving: ServingCertificate;
  /** `--client-ca-file` */
  readonly clientCaPem?: string;
  readonly frontProxy?: FrontProxyConfig;
  /** What the API server shows extension API servers: `--proxy-client-cert-file`, `--proxy-client-key-file`. */
  readonly proxyClient?: KeyPairPem;
  readonly serviceAccounts: ServiceAccountConfig;
  readonly kubelet: KubeletClientConfig;
  readonly proxy?: ProxyConfig;

  /** @default ['Node', 'RBAC'] */
  readonly authorizationModes?: readonly AuthorizationMode[];
  /** With `paths`, only there. @default the health paths and the `cluster-info` ConfigMap, by RBAC */
  readonly anonymousAuth?: boolean | { readonly paths: readonly string[] };
  /** `--enable-bootstrap-token-auth`. @default true */
  readonly bootstrapTokenAuth?: boolean;
  /** `--token-auth-file`: a path. */
  readonly tokenAuthFile?: string;
  readonly audit?: AuditConfig;

  /** `--enable-admission-plugins`, beyond the default ones. */
  readonly enableAdmissionPlugins?: readonly string[];
  /** `--disable-admission-plugins` */
  readonly disableAdmissionPlugins?: readonly string[];

  /** `--service-cluster-ip-range`. @default '10.96.0.0/12' */
  readonly serviceClusterIpRange?: string;
  /** `--service-node-port-range`. @default { first: 30_000, last: 32_767 } */
  readonly serviceNodePortRange?: { readonly first: number; readonly last: number };
  /** What clients are told to connect to, as the `kubernetes` Service's endpoint. @default the host, where it names an address */
  readonly advertiseAddress?: string;
  /** @default 3_600 */
  readonly eventTtlSeconds?: number;

  /** `--max-requests-inflight`. @default 400 */
  readonly maxRequestsInflight?: number;
  /** `--max-mutating-requests-inflight`. @default 200 */
  readonly maxMutatingRequestsInflight?: number;
  /** `--request-timeout`. @default 60_000 */
  readonly requestTimeoutMs?: number;
  /** `--shutdown-delay-duration`. @default 0 */
  readonly shutdownDelayMs?: number;
  /** How long a shutdown waits for requests that are not long-running. @default 60_000 */
  readonly shutdownTimeoutMs?: number;
  /** Watches without `timeoutSeconds` last between this and twice as long. `--min-request-timeout`. @default 1_800 */
  readonly minRequestTimeoutSeconds?: number;

  readonly watch?: WatchConfig;
}

/** Bounds of the watch cache and of one watch. */
export interface WatchConfig {
  /** Events are kept at least this long, so that a client can resume. @default 75_000 */
  readonly windowMs?: number;
  /** Per resource, whatever their age. @default 100_000 */
  readonly maxWindowEvents?: number;
  /** Per resource, whatever their age. @default 64 MiB */
  readonly maxWindowBytes?: number;
  /** Per resource, kept even when older than the window. @default 100 */
  readonly minWindowEvents?: number;
  /** Bytes that may wait for one watcher before it is cut. @default 8 MiB */
  readonly maxWatcherQueueBytes?: number;
  /** @default 60_000 */
  readonly bookmarkIntervalMs?: number;
}
