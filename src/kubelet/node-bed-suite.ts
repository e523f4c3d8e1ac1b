import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CertificateSigningRequest } from '../api/kubernetes/certificates-v1.ts';
import type { Pod, Secret } from '../api/kubernetes/core-v1.ts';
import { certificateSigningRequests, pods, secrets, serviceAccounts } from '../client/resources.ts';
import { type ControlPlane, startControlPlane } from '../cluster/control-plane.ts';
import { silentLogger } from '../lib/log.ts';
import type { SigningOptions } from '../pki/signing.ts';
import type { NodeConfig } from './node-config.ts';
import { runNode } from './run-node.ts';

export interface BedOptions {
  /** Called before a certificate is signed: it may wait, and say how the certificate differs from an ordinary one. */
  readonly sign?: (purpose: 'client' | 'server') => Promise<Partial<SigningOptions>>;
}

/** For tests: a control plane in memory without controllers, and someone who signs every certificate that a node may have. */
export async function openBed(options: BedOptions = {}) {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'fairlead-node-'));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const controlPlane = stack.use(
    await startControlPlane({ host: '127.0.0.1', port: 0, controllers: false }, { log: silentLogger }),
  );
  const { client, pki, server } = controlPlane;
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const token: Secret = {
    metadata: { name: 'bootstrap-token-abcdef', namespace: 'kube-system' },
    type: 'bootstrap.kubernetes.io/token',
    data: {
      'token-id': base64('abcdef'),
      'token-secret': base64('0123456789abcdef'),
      'usage-bootstrap-authentication': base64('true'),
      'auth-extra-groups': base64('system:bootstrappers:kubeadm:default-node-token'),
    },
  };
  await client.create(secrets, token, { namespace: 'kube-system' });
  await client.create(
    serviceAccounts,
    { metadata: { name: 'default', namespace: 'default' } },
    { namespace: 'default' },
  );
  const signing = new AbortController();
  const signer = signAll(controlPlane, options.sign ?? (async () => ({})), signing.signal);
  stack.defer(async () => {
    signing.abort();
    await signer;
  });
  const bootstrap = { server, token: 'abcdef.0123456789abcdef', ca: pki.cluster.certificatePem };
  const owned = stack.move();
  return {
    client,
    pki,
    server,
    directory,
    bootstrap,
    run: (config: Partial<NodeConfig>) =>
      runNode(
        { name: 'node-1', dataDirectory: directory, bootstrap, listen: { port: 0 }, ...config },
        { log: silentLogger, signal: AbortSignal.timeout(20_000) },
      ),
    pod: (): Pod => ({
      metadata: { name: 'web', namespace: 'default' },
      spec: {
        nodeName: 'node-1',
        automountServiceAccountToken: false,
        containers: [{ name: 'main', image: 'any', command: ['sleep', '1000'] }],
      },
    }),
    async untilRunning(restarts: number): Promise<{ uid: string; containerId: string }> {
      const events = client.watch<Pod>(pods, { namespace: 'default', signal: AbortSignal.timeout(20_000) });
      for await (const { type, object } of events) {
        if (type !== 'ADDED' && type !== 'MODIFIED') continue;
        const { metadata, status } = object;
        const [container] = status?.containerStatuses ?? [];
        if (!container?.state?.running || container.restartCount !== restarts) continue;
        return { uid: metadata?.uid ?? '', containerId: container.containerID ?? '' };
      }
      throw new Error('the watch ended');
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function signAll(
  { client, pki }: ControlPlane,
  sign: NonNullable<BedOptions['sign']>,
  signal: AbortSignal,
): Promise<void> {
  const signing: Promise<void>[] = [];
  try {
    for await (const { type, object } of client.watch<CertificateSigningRequest>(certificateSigningRequests, {
      signal,
    })) {
      if (type === 'ADDED') signing.push(signOne({ client, pki }, object, sign));
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  await Promise.all(signing);
}

async function signOne(
  { client, pki }: Pick<ControlPlane, 'client' | 'pki'>,
  { metadata, spec }: CertificateSigningRequest,
  sign: NonNullable<BedOptions['sign']>,
): Promise<void> {
  const name = metadata?.name ?? '';
  const serving = spec.signerName === 'kubernetes.io/kubelet-serving';
  const authority = serving ? pki.kubeletServing : pki.cluster;
  const certificate = await authority.signRequest(Buffer.from(spec.request, 'base64'), {
    usages: spec.usages ?? [],
    ...(await sign(serving ? 'server' : 'client')),
  });
  const type = 'application/merge-patch+json';
  const approved = { type: 'Approved', status: 'True', reason: 'Test', message: 'Test' };
  const approval = { status: { conditions: [approved] } };
  await client.patch(certificateSigningRequests, { name, subresource: 'approval' }, approval, { type });
  const issued = { status: { certificate: Buffer.from(certificate).toString('base64') } };
  await client.patch(certificateSigningRequests, { name, subresource: 'status' }, issued, { type });
}
