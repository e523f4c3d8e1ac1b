import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { formatKubeconfig } from '../../src/client/kubeconfig.ts';
import { startControlPlane } from '../../src/cluster/control-plane.ts';
import { startLocalNode } from '../../src/cluster/local-node.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { Kubectl } from '../e2e/kubectl.ts';
import { newestKubectl } from '../e2e/kubectl-binaries.ts';
import { type EgressTransport, egressFile, egressTransports } from './egress-files.ts';
import {
  freePorts,
  type KonnectivityFiles,
  konnectivityProgram,
  startAgent,
  startServer,
  writeKonnectivityFiles,
} from './konnectivity-peers.ts';

const binary = newestKubectl();
const server = konnectivityProgram('upstream', 'server');
const agent = konnectivityProgram('upstream', 'agent');
const missing =
  server && agent ? (binary ? undefined : 'no kubectl for this platform') : 'not built: npm run peers konnectivity';

let files: KonnectivityFiles;
before(async () => {
  files = await writeKonnectivityFiles(await mkdtemp(join(tmpdir(), 'fairlead-egress-')));
});
after(() => rm(files.directory, { recursive: true }));

for (const transport of egressTransports) {
  test(
    `our API server reaches its node through upstream's proxy server and agent: ${transport}`,
    {
      skip: missing ?? false,
      timeout: 120_000,
    },
    () => throughUpstream(transport),
  );
}

async function throughUpstream(transport: EgressTransport): Promise<void> {
  if (!binary || !server || !agent) return;
  await using opened = new AsyncDisposableStack();
  const ports = await freePorts();
  const { directory } = files;
  const udsPath = transport === 'HTTPConnect mTLS' ? undefined : join(directory, `${ports.agent}.sock`);
  const egressSelectorFile = join(directory, `egress-${ports.agent}.yaml`);
  await writeFile(egressSelectorFile, egressFile({ transport, directory, udsPath, port: ports.server }));

  const controlPlane = opened.use(
    await startControlPlane({ host: '127.0.0.1', port: 0, egressSelectorFile }, { log: silentLogger }),
  );
  const kubeconfig = join(directory, `${ports.agent}.kubeconfig`);
  const { pki, admin } = controlPlane;
  const certificate = { certificate: admin.certificatePem, key: admin.privateKeyPem };
  await writeFile(
    kubeconfig,
    formatKubeconfig({ name: 'test', server: controlPlane.server, ca: pki.cluster.certificatePem, certificate }),
  );
  const ending = new AbortController();
  opened.defer(() => ending.abort());
  const local = opened.use(
    await startLocalNode(
      controlPlane,
      {
        nodesDirectory: join(directory, `nodes-${ports.agent}`),
        name: 'node-1',
        route: 'direct',
        runtime: 'process',
        listen: { host: '127.0.0.1', port: 0 },
        onShutdown: 'stop-pods',
      },
      { log: silentLogger, signal: ending.signal },
    ),
  );
  await local.node.ready;
  using kubectl = new Kubectl(binary, { kubeconfig });
  await kubectl.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p' },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'c', image: 'busybox', command: ['sh', '-c', 'echo started; sleep 1000'] }],
    },
  });
  await kubectl.run(['wait', '--for=condition=Ready', 'pod/p', '--timeout=60s'], { timeoutMs: 70_000 });

  // Nothing listens yet: no way around the proxy server is taken.
  const { stderr } = await kubectl.run(['logs', 'p'], { code: 1 });
  assert.match(stderr, /by the egress selector \((GRPC|HTTPConnect) .*\): cannot connect to the proxy server at /);

  const mode = transport === 'GRPC UDS' ? 'grpc' : 'http-connect';
  opened.use(await startServer(server, { ...files, mode, udsPath, ports }));
  const running = opened.use(await startAgent(agent, { ...files, ports, serverHealthPort: ports.health }));
  opened.defer(() => void running.child.kill('SIGKILL'));
  assert.equal(await kubectl.text(['logs', 'p']), 'started');
  assert.equal(await kubectl.text(['exec', '-i', 'p', '--', 'cat'], { stdin: 'through\n' }), 'through');
  await kubectl.run(['exec', 'p', '--', 'sh', '-c', 'exit 7'], { code: 7 });
  const metrics = await kubectl.text(['get', '--raw', '/metrics']);
  const labels = `protocol="${mode === 'grpc' ? 'grpc' : 'http_connect'}",transport="${udsPath ? 'uds' : 'tcp'}"`;
  assert.match(metrics, new RegExp(`apiserver_egress_dialer_dial_start_total\\{${labels}\\} \\d`));
  assert.match(metrics, new RegExp(`apiserver_egress_dialer_dial_failure_count\\{${labels},stage="connect"\\} \\d`));
  await kubectl.run(['delete', 'pod', 'p', '--timeout=60s'], { timeoutMs: 70_000 });
}
