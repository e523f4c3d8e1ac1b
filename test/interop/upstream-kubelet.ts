import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatKubeconfig } from '../../src/client/kubeconfig.ts';
import { formatYaml } from '../../src/lib/yaml.ts';
import { findPeer, PeerProcess } from './peer-process.ts';

export interface UpstreamKubeletOptions {
  readonly name: string;
  /** The API server as the kubelet dials it. */
  readonly server: string;
  readonly caPem: string;
  readonly bootstrapToken: string;
  /** What `nsenter --net=` takes. */
  readonly namespace: string;
  readonly address: string;
  readonly containerdSocket: string;
}

/** Why an upstream kubelet cannot be started here, or `undefined`. */
export function missingKubelet(): string | undefined {
  return findPeer('kubernetes', 'kubelet') ? undefined : 'kubelet is not built (npm run peers)';
}

/** An upstream kubelet that joins by TLS bootstrap and asks for a serving certificate as well. */
export function startUpstreamKubelet(
  options: UpstreamKubeletOptions,
): AsyncDisposable & { readonly process: PeerProcess } {
  const path = findPeer('kubernetes', 'kubelet');
  if (path === undefined) throw new Error('kubelet is not built: npm run peers');
  const directory = mkdtempSync(join(tmpdir(), 'fairlead-kubelet-'));
  const file = (name: string, text: string) => {
    writeFileSync(join(directory, name), text, { mode: 0o600 });
    return join(directory, name);
  };
  const authority = file('ca.crt', options.caPem);
  const { server, caPem: ca, bootstrapToken: token } = options;
  const bootstrap = file('bootstrap.kubeconfig', formatKubeconfig({ name: 'bootstrap', server, ca, token }));
  const config = file(
    'config.yaml',
    formatYaml({
      apiVersion: 'kubelet.config.k8s.io/v1beta1',
      kind: 'KubeletConfiguration',
      authentication: { x509: { clientCAFile: authority }, webhook: { enabled: true }, anonymous: { enabled: false } },
      authorization: { mode: 'Webhook' },
      rotateCertificates: true,
      serverTLSBootstrap: true,
      address: options.address,
      healthzPort: 0,
      cgroupDriver: 'cgroupfs',
      cgroupsPerQOS: false,
      enforceNodeAllocatable: [],
      failCgroupV1: false,
      failSwapOn: false,
      containerRuntimeEndpoint: `unix://${options.containerdSocket}`,
      clusterDomain: 'cluster.local',
      resolvConf: '',
      localStorageCapacityIsolation: false,
      podLogsDir: join(directory, 'pods'),
      evictionHard: {
        'memory.available': '0%',
        'nodefs.available': '0%',
        'imagefs.available': '0%',
        'nodefs.inodesFree': '0%',
      },
      imageGCHighThresholdPercent: 100,
    }),
  );
  const kubelet = new PeerProcess(
    '/usr/bin/nsenter',
    [
      `--net=${options.namespace}`,
      path,
      `--config=${config}`,
      `--bootstrap-kubeconfig=${bootstrap}`,
      `--kubeconfig=${join(directory, 'kubeconfig')}`,
      `--root-dir=${join(directory, 'root')}`,
      `--cert-dir=${join(directory, 'pki')}`,
      `--hostname-override=${options.name}`,
      `--node-ip=${options.address}`,
    ],
    { name: 'kubelet' },
  );
  return {
    process: kubelet,
    async [Symbol.asyncDispose]() {
      await kubelet[Symbol.asyncDispose]();
      // It mounts its root directory on itself, and pods' volumes below it.
      spawnSync('sh', ['-c', `awk '$2 ~ "^${directory}" { print $2 }' /proc/mounts | sort -r | xargs -r umount -l`]);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
