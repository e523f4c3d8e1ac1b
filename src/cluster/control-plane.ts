import { randomUUID } from 'node:crypto';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import type { ApiServerConfig, KubeletClientConfig } from '../apiserver/config.ts';
import type { ApiServer } from '../apiserver/listen.ts';
import type { ApiClient } from '../client/client.ts';
import { connectApi } from '../client/connect.ts';
import { createEgress } from '../egress/create-egress.ts';
import type { EgressSelector } from '../egress/egress-selector.ts';
import type { SshTunnelsConfig } from '../egress/ssh/open-ssh-tunnels.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { Metrics } from '../lib/metrics.ts';
import { type ClusterPki, openClusterPki } from '../pki/authority.ts';
import type { IssuedCertificate } from '../pki/certificate-authority.ts';
import {
  ensureClientCertificate,
  ensureFrontProxyCertificate,
  ensureServingCertificate,
} from '../pki/control-plane-certificates.ts';
import { openMemoryStore } from '../storage/memory/memory-store.ts';
import { openSqliteStore } from '../storage/sqlite/sqlite-store.ts';
import type { Store } from '../storage/store.ts';
import type { Dial } from '../stream/dial.ts';
import { listenKonnectivity } from '../tunnel/server/listen-konnectivity.ts';
import type { ClusterPaths } from './cluster-directory.ts';
import { ensureClusterInfo } from './cluster-info.ts';
import { routesHandler, routesPath } from './node-routes.ts';
import { pathsHandler, pathsPath } from './paths-handler.ts';
import { RenewingCertificate } from './renewing-certificate.ts';

export interface ControlPlaneConfig {
  /** Where keys and objects are kept. @default in memory */
  readonly paths?: ClusterPaths;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Further names and addresses for the serving certificate. */
  readonly extraNames?: readonly string[];
  /** Everything else about the API server; what is given here goes over what the control plane sets. */
  readonly api?: Partial<ApiServerConfig>;
  /** CA of kubelets' serving certificates; `pem` undefined verifies nothing, as upstream. @default the cluster's own */
  readonly kubeletAuthority?: { readonly pem: string | undefined };
  /** @default InternalIP, ExternalIP, Hostname */
  readonly kubeletPreferredAddressTypes?: readonly string[];
  /** Path of upstream's `EgressSelectorConfiguration`: the kinds of traffic that it names go where it says, whatever a node's route is. */
  readonly egressSelectorFile?: string;
  /** For nodes whose recorded route is `ssh`. @default none can be reached by SSH */
  readonly ssh?: SshTunnelsConfig;
  /** Whether controllers and the scheduler run here. @default true */
  readonly controllers?: boolean;
}

export interface ControlPlaneOptions {
  readonly log: Logger;
  readonly clock?: Clock;
  /** How the API server reaches nodes. @default each by its recorded route: plain sockets, or the tunnel that ends in this process */
  readonly dial?: Dial;
}

/** An API server with its store, and the controllers and the scheduler as its clients. */
export interface ControlPlane extends AsyncDisposable {
  /** `https://host:port` */
  readonly server: string;
  readonly api: ApiServer;
  readonly pki: ClusterPki;
  /** The certificate that the cluster is owned with. */
  readonly admin: IssuedCertificate;
  /** A client with the admin certificate. It ends with the control plane. */
  readonly client: ApiClient;
}

/** As kubeadm has it: names of nodes can rarely be resolved, and what is verified is the node's identity, not its address. */
const preferredAddressTypes = ['InternalIP', 'ExternalIP', 'Hostname'];

const serviceIssuer = 'https://kubernetes.default.svc.cluster.local';

/** Starts a control plane; it is ready to serve when the promise resolves. Disposal ends its parts in reverse order. */
export async function startControlPlane(
  config: ControlPlaneConfig,
  options: ControlPlaneOptions,
): Promise<ControlPlane> {
  const { log, clock = systemClock } = options;
  await using parts = new AsyncDisposableStack();
  const metrics = new Metrics();
  const { egressSelectorFile } = config;
  const ssh = config.ssh && parts.use(await openSsh(config.ssh, { log, clock, metrics }));
  const selector = egressSelectorFile !== undefined ? await openSelector(egressSelectorFile, log) : undefined;
  let api: ApiServer | undefined; // egress reads nodes' routes from it, and it is given the way to nodes
  const tunnel = parts.use(
    await listenKonnectivity(
      { serverId: randomUUID() },
      { log: log.with({ component: 'tunnel' }), signal: new AbortController().signal, metrics },
    ),
  );
  const dial =
    options.dial ??
    createEgress({ objects: () => api?.objects, tunnel: tunnel.dial, ssh: ssh?.dial, selector, metrics, log });
  // The store's thread starts and files are read while the API server's modules load.
  const opening = openStore(config, log, clock, metrics);
  parts.defer(() =>
    opening.then(
      (store) => store[Symbol.asyncDispose](),
      () => {}, // what did not open is reported by who waits for it
    ),
  );
  const [pki, store, { listenApi }] = await Promise.all([
    openPki(config, log, clock),
    opening,
    import('../apiserver/listen.ts'),
  ]);

  const advertiseAddress = config.api?.advertiseAddress ?? defaultAdvertiseAddress(config.host);
  const names = {
    hostName: hostname(),
    serviceAddress: '10.96.0.1',
    advertiseAddress,
    extraNames: config.extraNames ?? [],
  };
  const [serving, kubeletClient, admin, proxyClient] = await Promise.all([
    RenewingCertificate.open(() => ensureServingCertificate(pki, names, { clock }), { clock, log }),
    ensureClientCertificate(pki, 'apiserverKubeletClient', { clock }),
    ensureClientCertificate(pki, 'admin', { clock }),
    ensureFrontProxyCertificate(pki, { clock }),
  ]);
  parts.use(serving);

  const kubelet: KubeletClientConfig = config.api?.kubelet ?? {
    client: toKeyPair(kubeletClient),
    certificateAuthorityPem: config.kubeletAuthority ? config.kubeletAuthority.pem : pki.kubeletServing.certificatePem,
    preferredAddressTypes: config.kubeletPreferredAddressTypes?.length
      ? config.kubeletPreferredAddressTypes
      : preferredAddressTypes,
  };
  const agents = () => tunnel.nodeConnections();
  const walked = (running: ApiServer) => ({
    objects: running.objects,
    destinations: running.destinations,
    kubelet,
    dial,
    agents,
    store,
    log,
    authority: pki.cluster,
    access: { host: running.host, port: running.port, ca: pki.cluster.certificatePem },
  });
  const running = () => {
    if (!api) throw new Error('the API server is starting');
    return api;
  };
  api = parts.use(
    await listenApi(
      {
        host: config.host,
        port: config.port,
        serving: {
          current: () => toKeyPair(serving.current),
          onChange: (listener) => serving.onChange(listener),
        },
        clientCaPem: pki.cluster.certificatePem,
        frontProxy: {
          clientCaPem: pki.frontProxy.certificatePem,
          allowedNames: ['front-proxy-client'],
          usernameHeaders: ['X-Remote-User'],
          uidHeaders: ['X-Remote-Uid'],
          groupHeaders: ['X-Remote-Group'],
          extraHeaderPrefixes: ['X-Remote-Extra-'],
        },
        proxyClient: toKeyPair(proxyClient),
        serviceAccounts: { issuers: [serviceIssuer], signingKeyPem: pki.serviceAccountKey.privateKeyPem },
        kubelet,
        ...(advertiseAddress !== undefined && { advertiseAddress }),
        ...config.api,
      },
      {
        store,
        log: log.with({ component: 'apiserver' }),
        clock,
        dial,
        agents: tunnel,
        paths: new Map([
          [routesPath, routesHandler(() => api?.objects, agents)],
          [pathsPath, pathsHandler(() => walked(running()))],
        ]),
        metrics,
      },
    ),
  );

  const client = parts.use(
    connectApi({
      server: api.url,
      ca: pki.cluster.certificatePem,
      certificate: { certificate: admin.certificatePem, key: admin.privateKeyPem },
      log,
    }),
  );
  await api.ready;
  ssh?.follow(api.objects);
  await ensureClusterInfo(client, { server: api.url, caPem: pki.cluster.certificatePem });
  if (config.controllers !== false) {
    const reservedAddresses = [names.serviceAddress, advertiseAddress ?? [], api.host].flat();
    const { startControllers } = await import('./controllers.ts');
    parts.use(await startControllers({ server: api.url, pki, reservedAddresses, log, clock, metrics }));
  }

  const owned = parts.move();
  return {
    server: api.url,
    api,
    pki,
    admin,
    client,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Loaded where it is asked for. */
async function openSsh(
  config: SshTunnelsConfig,
  { log, clock, metrics }: { log: Logger; clock: Clock; metrics: Metrics },
) {
  const { openSshTunnels } = await import('../egress/ssh/open-ssh-tunnels.ts');
  return openSshTunnels(config, { log: log.with({ component: 'ssh' }), clock, metrics });
}

async function openSelector(file: string, log: Logger): Promise<EgressSelector> {
  const { loadEgressSelector } = await import('../egress/load-egress-selector.ts');
  return loadEgressSelector(file, { log });
}

function openPki(config: ControlPlaneConfig, log: Logger, clock: Clock): Promise<ClusterPki> {
  return openClusterPki({ clock, log, ...(config.paths && { directory: config.paths.pki }) });
}

function openStore(config: ControlPlaneConfig, log: Logger, clock: Clock, metrics: Metrics): Promise<Store> {
  return config.paths ? openSqliteStore({ path: config.paths.store, log, clock, metrics }) : openMemoryStore({ clock });
}

/** The wildcard is no address that one can be told to use: then the operator has to name one, or the loopback address serves. */
function defaultAdvertiseAddress(host: string): string | undefined {
  return isIP(host) && host !== '0.0.0.0' && host !== '::' ? host : undefined;
}

function toKeyPair({ certificatePem, privateKeyPem }: IssuedCertificate): { certificatePem: string; keyPem: string } {
  return { certificatePem, keyPem: privateKeyPem };
}
