import type { ApiServerConfig } from '../apiserver/config.ts';
import { contextName, formatKubeconfig } from '../client/kubeconfig.ts';
import type { Logger } from '../lib/log.ts';
import { writePrivateFile } from '../pki/private-file.ts';
import { type ClusterPaths, currentProcess, readClusterRecord, writeClusterRecord } from './cluster-directory.ts';
import { type ControlPlane, type ControlPlaneConfig, startControlPlane } from './control-plane.ts';
import { firstFreePort } from './free-port.ts';

export interface LocalControlPlaneConfig {
  readonly name: string;
  readonly paths: ClusterPaths;
  readonly host: string;
  /** @default the port of the last start, else 6443, or the next free one */
  readonly port?: number;
  readonly extraNames?: readonly string[];
  readonly api?: Partial<ApiServerConfig>;
  readonly kubeletAuthority?: ControlPlaneConfig['kubeletAuthority'];
  readonly kubeletPreferredAddressTypes?: readonly string[];
  readonly egressSelectorFile?: string;
  readonly ssh?: ControlPlaneConfig['ssh'];
}

/** A control plane that keeps its data in a directory, with what people need to find it there: admin kubeconfig and record. */
export async function startLocalControlPlane(
  config: LocalControlPlaneConfig,
  { log }: { log: Logger },
): Promise<ControlPlane> {
  const { name, paths } = config;
  await using parts = new AsyncDisposableStack();
  const controlPlane = parts.use(await startOnPort(config, log));
  const { server, pki, admin } = controlPlane;
  writeClusterRecord(paths, {
    apiVersion: 'fairlead.dev/v1',
    kind: 'ClusterRecord',
    server,
    process: currentProcess(),
  });
  parts.defer(() => writeClusterRecord(paths, { apiVersion: 'fairlead.dev/v1', kind: 'ClusterRecord', server }));
  const kubeconfig = formatKubeconfig({
    name: contextName(name),
    server,
    ca: pki.cluster.certificatePem,
    certificate: { certificate: admin.certificatePem, key: admin.privateKeyPem },
  });
  await writePrivateFile(paths.adminKubeconfig, kubeconfig);
  const owned = parts.move();
  return { ...controlPlane, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** A port that was free may be taken by the time it is listened on, by another cluster that starts: then the next one serves. */
async function startOnPort({ name: _, port, ...rest }: LocalControlPlaneConfig, log: Logger): Promise<ControlPlane> {
  for (let attempt = 1; ; attempt++) {
    const chosen = port ?? (await choosePort(rest.paths, rest.host));
    try {
      return await startControlPlane({ ...rest, port: chosen }, { log });
    } catch (error) {
      const taken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
      if (!taken || port !== undefined || attempt === maxStarts) throw error;
    }
  }
}

const maxStarts = 10;

function choosePort(paths: ClusterPaths, host: string): Promise<number> {
  const record = readClusterRecord(paths);
  return firstFreePort(host, record ? Number(new URL(record.server).port) || 443 : 6443);
}
