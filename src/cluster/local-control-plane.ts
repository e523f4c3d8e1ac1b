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
}

/** A control plane that keeps its data in a directory, with what people need to find it there: admin kubeconfig and record. */
export async function startLocalControlPlane(
  config: LocalControlPlaneConfig,
  { log }: { log: Logger },
): Promise<ControlPlane> {
  const { name, paths, host, port, ...rest } = config;
  await using parts = new AsyncDisposableStack();
  const controlPlane = parts.use(
    await startControlPlane({ ...rest, paths, host, port: port ?? (await choosePort(paths, host)) }, { log }),
  );
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

function choosePort(paths: ClusterPaths, host: string): Promise<number> {
  const record = readClusterRecord(paths);
  return firstFreePort(host, record ? Number(new URL(record.server).port) || 443 : 6443);
}
