import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ApiClient } from '../../src/client/client.ts';
import { connectApi } from '../../src/client/connect.ts';
import { formatKubeconfig } from '../../src/client/kubeconfig.ts';
import { firstFreePort } from '../../src/cluster/free-port.ts';
import { type ClusterPki, openClusterPki } from '../../src/pki/authority.ts';
import { ensureCertificate, ensureServingCertificate } from '../../src/pki/control-plane-certificates.ts';
import { findPeer, PeerProcess } from './peer-process.ts';

export interface UpstreamControlPlane extends AsyncDisposable {
  readonly server: string;
  readonly pki: ClusterPki;
  /** With `system:masters`. */
  readonly client: ApiClient;
  /** The same as a file for kubectl. */
  readonly kubeconfig: string;
  /** CPU and memory belong to these. */
  readonly processes: Readonly<Record<'etcd' | 'apiserver', PeerProcess>>;
}

const peers = {
  etcd: ['etcd', 'server'],
  apiserver: ['kubernetes', 'kube-apiserver'],
  controllerManager: ['kubernetes', 'kube-controller-manager'],
  scheduler: ['kubernetes', 'kube-scheduler'],
} as const;

/** Why an upstream control plane cannot be started here, or `undefined` where it can. */
export function missingControlPlane(): string | undefined {
  const missing = Object.values(peers).filter(([module, name]) => findPeer(module, name) === undefined);
  return missing.length === 0 ? undefined : `not built (npm run peers): ${missing.map(([, name]) => name).join(', ')}`;
}

/** etcd, kube-apiserver and, unless `controllers` is false, its controller manager and scheduler, set up as kubeadm does. */
export async function startUpstreamControlPlane(
  options: { controllers?: boolean; egressSelectorFile?: string } = {},
): Promise<UpstreamControlPlane> {
  await using parts = new AsyncDisposableStack();
  const directory = mkdtempSync(join(tmpdir(), 'fairlead-upstream-'));
  parts.defer(() => rmSync(directory, { recursive: true, force: true }));
  const pkiDirectory = join(directory, 'pki');
  mkdirSync(pkiDirectory, { mode: 0o700 });
  const pki = await openClusterPki({ directory: pkiDirectory });
  const file = (name: string) => join(pkiDirectory, name);
  await ensureServingCertificate(pki, { serviceAddress: '10.96.0.1', advertiseAddress: '127.0.0.1' });

  const etcdPort = await firstFreePort('127.0.0.1', 23790);
  const etcdPeerPort = await firstFreePort('127.0.0.1', etcdPort + 1);
  const etcdUrl = `http://127.0.0.1:${etcdPort}`;
  const etcd = parts.use(
    start('etcd', [
      `--data-dir=${join(directory, 'etcd')}`,
      `--listen-client-urls=${etcdUrl}`,
      `--advertise-client-urls=${etcdUrl}`,
      `--listen-peer-urls=http://127.0.0.1:${etcdPeerPort}`,
      `--initial-advertise-peer-urls=http://127.0.0.1:${etcdPeerPort}`,
      `--initial-cluster=default=http://127.0.0.1:${etcdPeerPort}`,
      '--log-level=warn',
    ]),
  );
  await etcd.until(async () => (await fetch(`${etcdUrl}/health`)).ok, 30_000);

  const port = await firstFreePort('127.0.0.1', 16443);
  const server = `https://127.0.0.1:${port}`;
  const apiserver = parts.use(
    start('apiserver', [
      `--etcd-servers=${etcdUrl}`,
      '--bind-address=127.0.0.1',
      `--secure-port=${port}`,
      '--advertise-address=127.0.0.1',
      '--endpoint-reconciler-type=none',
      `--tls-cert-file=${file('apiserver.crt')}`,
      `--tls-private-key-file=${file('apiserver.key')}`,
      `--client-ca-file=${file('ca.crt')}`,
      `--service-account-issuer=https://kubernetes.default.svc.cluster.local`,
      `--service-account-key-file=${file('sa.pub')}`,
      `--service-account-signing-key-file=${file('sa.key')}`,
      '--service-cluster-ip-range=10.96.0.0/12',
      '--authorization-mode=Node,RBAC',
      '--enable-admission-plugins=NodeRestriction',
      '--enable-bootstrap-token-auth=true',
      '--kubelet-preferred-address-types=Hostname,InternalIP',
      ...(options.egressSelectorFile ? [`--egress-selector-config-file=${options.egressSelectorFile}`] : []),
      ...(await kubeletClientFlags(pki, file)),
    ]),
  );
  const admin = await credentials(pki, 'admin', 'kubernetes-admin', ['system:masters']);
  const client = parts.use(
    connectApi({
      server,
      ca: pki.cluster.certificatePem,
      certificate: { certificate: admin.certificatePem, key: admin.privateKeyPem },
    }),
  );
  await apiserver.until(async () => (await client.request({ method: 'GET', path: '/readyz' })).status === 200, 60_000);

  const kubeconfigOf = (name: string, issued: { certificatePem: string; privateKeyPem: string }) => {
    const path = join(directory, `${name}.kubeconfig`);
    const certificate = { certificate: issued.certificatePem, key: issued.privateKeyPem };
    writeFileSync(path, formatKubeconfig({ name, server, ca: pki.cluster.certificatePem, certificate }), {
      mode: 0o600,
    });
    return path;
  };
  if (options.controllers !== false) {
    const manager = await credentials(pki, 'controller-manager', 'system:kube-controller-manager');
    const scheduler = await credentials(pki, 'scheduler', 'system:kube-scheduler');
    parts.use(
      start('controllerManager', [
        `--kubeconfig=${kubeconfigOf('controller-manager', manager)}`,
        `--root-ca-file=${file('ca.crt')}`,
        `--service-account-private-key-file=${file('sa.key')}`,
        `--cluster-signing-cert-file=${file('ca.crt')}`,
        `--cluster-signing-key-file=${file('ca.key')}`,
        '--use-service-account-credentials=true',
        '--controllers=*,bootstrapsigner,tokencleaner',
        '--leader-elect=false',
        '--bind-address=127.0.0.1',
        `--secure-port=${await firstFreePort('127.0.0.1', port + 1)}`,
      ]),
    );
    parts.use(
      start('scheduler', [
        `--kubeconfig=${kubeconfigOf('scheduler', scheduler)}`,
        '--leader-elect=false',
        '--bind-address=127.0.0.1',
        `--secure-port=${await firstFreePort('127.0.0.1', port + 20)}`,
      ]),
    );
  }
  const kubeconfig = kubeconfigOf('admin', admin);
  const owned = parts.move();
  return {
    server,
    pki,
    client,
    kubeconfig,
    processes: { etcd, apiserver },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function start(peer: keyof typeof peers, args: readonly string[]): PeerProcess {
  const [module, name] = peers[peer];
  const path = findPeer(module, name);
  if (path === undefined) throw new Error(`${name} is not built: npm run peers`);
  return new PeerProcess(path, args, { name });
}

function credentials(pki: ClusterPki, file: string, commonName: string, organizations: readonly string[] = []) {
  return ensureCertificate(join(pki.directory ?? '', file), pki.cluster, {
    commonName,
    organizations,
    usages: ['client'],
  });
}

/** kube-apiserver reaches kubelets verified, with a client certificate of its own. */
async function kubeletClientFlags(pki: ClusterPki, file: (name: string) => string): Promise<string[]> {
  await credentials(pki, 'apiserver-kubelet-client', 'kube-apiserver-kubelet-client', ['system:masters']);
  return [
    `--kubelet-client-certificate=${file('apiserver-kubelet-client.crt')}`,
    `--kubelet-client-key=${file('apiserver-kubelet-client.key')}`,
    // This controller manager signs kubelets' serving certificates with the cluster CA, as upstream does.
    `--kubelet-certificate-authority=${file('ca.crt')}`,
  ];
}
