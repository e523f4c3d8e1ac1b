import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ClientCertificate } from '../../client/client-config.ts';
import { kubeconfigPath } from '../../kubelet/node/join.ts';
import type { ImageTable } from '../../kubelet/runtimes/process/image-table.ts';
import { systemClock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { ClusterPki } from '../../pki/authority.ts';
import type { IssuedCertificate } from '../../pki/certificate-authority.ts';
import type { ControlPlane } from '../control-plane.ts';
import { joinStringFor } from '../join-token.ts';
import { RenewingCertificate } from '../renewing-certificate.ts';
import { findApiServerPlaces } from './api-server-places.ts';
import { openGateway } from './gateway.ts';
import { IslandProcess } from './island-process.ts';
import type { IslandStart } from './messages.ts';
import { islandAddressOf } from './node-address.ts';

export interface IslandNodeConfig {
  readonly name: string;
  /** Where nodes of this machine have their directories. */
  readonly nodesDirectory: string;
  /** @default 'process' */
  readonly runtime?: 'process' | 'simulated';
  readonly images?: ImageTable;
  readonly labels?: Readonly<Record<string, string>>;
  /** @default the Node's `spec.podCIDR` */
  readonly podCidr?: string;
  /** As the API server has it. @default '10.96.0.0/12' */
  readonly serviceClusterIpRange?: string;
  /** The longest a pod may take to end on disposal. @default 5000 */
  readonly shutdownGraceMs?: number;
  /** Whether debug lines of the island are wanted. @default false */
  readonly verbose?: boolean;
}

/** A node in a network of its own. Disposal ends its pods and all its processes. */
export interface IslandNode extends AsyncDisposable {
  readonly name: string;
  /** Whether it joined now, or came back with the certificates of an earlier start. */
  readonly joined: boolean;
  /** The node's own address; nothing outside the island has a path to it. */
  readonly address: string;
  /** Of the process that holds the island. */
  readonly pid: number | undefined;
  /** Resolves when the Node is registered and Ready; rejects if the island ends before. */
  readonly ready: Promise<void>;
  /** Resolves when the island's processes have gone. */
  readonly ended: Promise<void>;
}

const proxyLifetimeMs = 24 * 3_600_000;
const defaultGraceMs = 5_000;
/** What a stop may take beyond the pods' grace. */
const stopMarginMs = 10_000;

/**
 * Starts the processes of an island ahead of its node, beside something else that takes time. They wait for {@link startIslandNode}, which owns them
 * from then on.
 */
export function prepareIsland(
  config: Pick<IslandNodeConfig, 'name' | 'nodesDirectory' | 'shutdownGraceMs'>,
  { log }: { log: Logger },
): IslandProcess {
  const { namespaceDirectory } = directoriesOf(config);
  mkdirSync(namespaceDirectory, { recursive: true, mode: 0o700 });
  const stopTimeoutMs = (config.shutdownGraceMs ?? defaultGraceMs) + stopMarginMs;
  return new IslandProcess({ namespaceDirectory, stopTimeoutMs, log });
}

function directoriesOf({ name, nodesDirectory }: Pick<IslandNodeConfig, 'name' | 'nodesDirectory'>) {
  const dataDirectory = join(nodesDirectory, name);
  return { dataDirectory, namespaceDirectory: join(dataDirectory, 'netns') };
}

/**
 * Runs a node of this machine in an island: a network, mount and process namespace of its own, from which connections to the API server's port are the
 * only way out, and into which there is none. It joins over the wire like any other node. Returns once its kubelet listens.
 */
export async function startIslandNode(
  controlPlane: Pick<ControlPlane, 'client' | 'pki' | 'server'>,
  config: IslandNodeConfig,
  { log, signal, prepared }: { log: Logger; signal: AbortSignal; prepared?: IslandProcess },
): Promise<IslandNode> {
  const { name, shutdownGraceMs = defaultGraceMs } = config;
  const { server } = controlPlane;
  const { dataDirectory, namespaceDirectory } = directoriesOf(config);
  const address = islandAddressOf(dataDirectory);
  await using parts = new AsyncDisposableStack();
  const island = parts.use(prepared ?? prepareIsland(config, { log }));
  const joined = !existsSync(kubeconfigPath(dataDirectory));
  const gateway = parts.use(await openGateway({ directory: dataDirectory, server }, { log }));
  const proxyCertificate = parts.use(await openProxyCertificate(controlPlane.pki, log));
  // Ended before its gateway: a node on its way out still says goodbye.
  parts.use(island);
  const [apiServerPlaces, bootstrap] = await Promise.all([
    findApiServerPlaces(controlPlane.client, signal),
    joined ? joinStringFor(controlPlane, name, signal) : undefined,
  ]);
  proxyCertificate.onChange(() => island.renewProxyCertificate(toClientCertificate(proxyCertificate.current)));
  const start: IslandStart = {
    type: 'start',
    name,
    dataDirectory,
    namespaceDirectory,
    address,
    server,
    gateway: gateway.path,
    apiServerPlaces,
    proxy: { ca: controlPlane.pki.cluster.certificatePem, certificate: toClientCertificate(proxyCertificate.current) },
    serviceRanges: serviceRangesOf(config),
    runtime: config.runtime ?? 'process',
    images: config.images ?? {},
    labels: config.labels ?? {},
    shutdownGraceMs,
    verbose: config.verbose ?? false,
    ...(bootstrap !== undefined && { bootstrap }),
    ...(config.podCidr !== undefined && { podCidr: config.podCidr }),
  };
  island.start(start);
  await untilListening(island, signal);
  const owned = parts.move();
  return {
    name,
    joined,
    address,
    pid: island.pid,
    ready: island.ready,
    ended: island.ended,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function untilListening(island: IslandProcess, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    await Promise.race([island.listening, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** One range, or one of each family. */
function serviceRangesOf({ serviceClusterIpRange = '10.96.0.0/12' }: IslandNodeConfig): string[] {
  const ranges = serviceClusterIpRange.split(',').map((range) => range.trim());
  return ranges.filter((range) => !range.includes(':'));
}

/** Of the one component in an island that is nobody's node: it reads Services and endpoints. Kept nowhere. */
function openProxyCertificate(pki: ClusterPki, log: Logger): Promise<RenewingCertificate> {
  const request = { commonName: 'system:kube-proxy', usages: ['client'], lifetimeMs: proxyLifetimeMs } as const;
  return RenewingCertificate.open(() => pki.cluster.issue(request), { clock: systemClock, log });
}

function toClientCertificate({ certificatePem, privateKeyPem }: IssuedCertificate): ClientCertificate {
  return { certificate: certificatePem, key: privateKeyPem };
}
