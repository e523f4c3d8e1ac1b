import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { formatKubeconfig } from '../../src/client/kubeconfig.ts';
import { type ControlPlane, startControlPlane } from '../../src/cluster/control-plane.ts';
import { createJoinToken } from '../../src/cluster/join-token.ts';
import { createEgress } from '../../src/egress/create-egress.ts';
import { loadEgressSelector } from '../../src/egress/load-egress-selector.ts';
import { silentLogger } from '../../src/lib/log.ts';
import type { Dial } from '../../src/stream/dial.ts';
import { Kubectl } from '../e2e/kubectl.ts';
import { newestKubectl } from '../e2e/kubectl-binaries.ts';
import { podManifest, shellContainer } from '../e2e/with-cluster.ts';
import { egressFile } from './egress-files.ts';
import { type Combination, missingEnds, nameOf, startPair, tunnelEnds } from './konnectivity-pair.ts';
import { createNetworkNamespace, type NetworkNamespace } from './network-namespace.ts';
import { PeerProcess } from './peer-process.ts';

const binary = newestKubectl();
const missing = binary ? (process.getuid?.() === 0 ? undefined : 'needs root for a network namespace') : 'no kubectl';
const largeMegabytes = process.env['CI'] === 'true' || process.env['FAIRLEAD_LONG'] === '1' ? 1024 : 64;
const kubeletPort = 10_250;

/**
 * The node is in a network namespace that takes no connection from outside, and its kubelet listens on that namespace's loopback alone: the agent
 * beside it is the only way to it. The API server reaches it by an egress selector's file, as an operator writes it.
 */
describe('kubectl through a Konnectivity server, to a node that nobody can connect to', {
  skip: missing ?? false,
}, () => {
  const scratch = mkdtempSync(join(tmpdir(), 'fairlead-kubectl-'));
  const parts = new AsyncDisposableStack();
  let network: NetworkNamespace;
  let plane: ControlPlane;
  let kubectl: Kubectl;
  let route: Dial = () => Promise.reject(new Error('No Konnectivity server has been started'));

  before(async () => {
    parts.defer(() => rmSync(scratch, { recursive: true, force: true }));
    network = parts.use(createNetworkNamespace());
    closeInbound(network);
    const dial: Dial = (target, options) => route(target, options);
    const config = { host: '0.0.0.0', port: 0, extraNames: [network.hostAddress] };
    plane = parts.use(await startControlPlane(config, { log: silentLogger, dial }));
    const { port } = new URL(plane.server);
    const address = { server: `https://${network.hostAddress}:${port}`, ca: plane.pki.cluster.certificatePem };
    const certificate = { certificate: plane.admin.certificatePem, key: plane.admin.privateKeyPem };
    const kubeconfig = join(scratch, 'kubeconfig');
    writeFileSync(kubeconfig, formatKubeconfig({ name: 'test', ...address, certificate }), { mode: 0o600 });
    if (!binary) throw new Error('There is no kubectl');
    kubectl = parts.use(new Kubectl(binary, { kubeconfig }));
    const token = await createJoinToken(plane.client, { server: address.server, caPin: plane.pki.cluster.pin });
    parts.use(joinInside(network, { joinString: token.joinString, directory: join(scratch, 'node') }));
    await kubectl.run(['wait', '--for=create', 'node/edge', 'serviceaccount/default', '--timeout=30s']);
    await kubectl.run(['wait', '--for=condition=Ready', 'node/edge', '--timeout=30s']);
    await kubectl.run(['wait', '--for=create', 'configmap/kube-root-ca.crt', '--timeout=30s']);
    // Containers outlive their node agent.
    parts.defer(async () => void (await kubectl.run(['delete', 'pod', '--all', '--grace-period=1', '--timeout=30s'])));
    const ticking = 'i=0; while sleep 0.1; do i=$((i+1)); echo tick $i; done';
    await kubectl.apply(
      podManifest('ticking', [shellContainer('c', ticking)]),
      podManifest('served', [{ name: 'c', image: 'fairlead/demo', ports: [{ containerPort: 8080 }] }]),
    );
    await kubectl.run(['wait', '--for=condition=Ready', 'pod', '--all', '--timeout=60s']);
  });
  after(() => parts.disposeAsync());

  /** Puts the file in force that leads through this pair. */
  async function through(combination: Combination): Promise<AsyncDisposable & { dials: () => Promise<number> }> {
    const pair = await startPair(combination, { network });
    const file = join(scratch, 'egress.yaml');
    const transport = combination.mode === 'grpc' ? 'GRPC UDS' : 'HTTPConnect UDS';
    const { directory } = pair.files;
    writeFileSync(file, egressFile({ transport, directory, udsPath: pair.address.path, port: 0 }));
    const selector = await loadEgressSelector(file);
    route = createEgress({ objects: () => plane.api.objects, selector, log: silentLogger });
    return {
      dials: () => pair.metric('dial_duration_seconds_count'),
      [Symbol.asyncDispose]: () => pair[Symbol.asyncDispose](),
    };
  }

  test('without a tunnel there is no way to it', { timeout: 60_000 }, async () => {
    route = createEgress({ objects: () => plane.api.objects, log: silentLogger });
    const { stderr } = await kubectl.run(['exec', 'ticking', '--', 'true'], { code: 'any' });
    assert.match(stderr, /\(node edge\) directly/);
  });

  for (const ends of tunnelEnds) {
    for (const mode of ['http-connect', 'grpc'] as const) {
      test(`exec -it, logs -f, port-forward and cp: ${nameOf({ ...ends, mode })}`, {
        skip: missingEnds(ends) ?? false,
        timeout: 100_000 + largeMegabytes * 1000,
      }, async () => {
        await using tunnel = await through({ ...ends, mode });
        await typesIntoShell(kubectl);
        await followsLogs(kubectl);
        await forwardsPorts(kubectl);
        await copiesBothWays(kubectl);
        assert.ok((await tunnel.dials()) > 0, 'it went through this server');
      });
    }
  }
});

async function typesIntoShell(kubectl: Kubectl): Promise<void> {
  using terminal = kubectl.startTerminal(['exec', '-it', 'ticking', '--', 'sh']);
  terminal.type('echo answer $((6*7))\r');
  await terminal.printed(/answer 42/);
  terminal.type('exit 3\r');
  assert.equal(await terminal.ended, 3);
}

async function followsLogs(kubectl: Kubectl): Promise<void> {
  const logs = kubectl.start(['logs', '-f', '--tail=1', 'ticking']);
  const [, first] = /tick (\d+)\n/.exec(await logs.printed(/tick \d+\n/)) ?? [];
  await logs.printed(new RegExp(`tick ${Number(first) + 5}\n`));
  await logs.interrupt();
  const numbers = [...logs.stdout.matchAll(/tick (\d+)/g)].map(([, number]) => Number(number));
  assert.deepEqual(
    numbers,
    numbers.map((_, index) => Number(first) + index),
  );
}

async function forwardsPorts(kubectl: Kubectl): Promise<void> {
  const forward = kubectl.start(['port-forward', 'pod/served', ':8080']);
  const printed = await forward.printed(/Forwarding from 127\.0\.0\.1:\d+ -> 8080\n/);
  const port = Number(/127\.0\.0\.1:(\d+) ->/.exec(printed)?.[1]);
  const answers = await Promise.all(Array.from({ length: 10 }, () => fetchText(port)));
  for (const answer of answers) assert.match(answer, /^HTTP\/1\.[01] 200/);
  await forward.interrupt();
}

async function copiesBothWays(kubectl: Kubectl): Promise<void> {
  const source = join(kubectl.scratch, 'source');
  const block = randomBytes(1024 * 1024);
  for (let written = 0; written < largeMegabytes; written++) {
    block.writeUInt32BE(written);
    writeFileSync(source, block, { flag: written === 0 ? 'w' : 'a' });
  }
  const timeoutMs = 60_000 + largeMegabytes * 500;
  await kubectl.run(['cp', source, 'ticking:/tmp/copied'], { timeoutMs });
  await kubectl.run(['cp', 'ticking:/tmp/copied', 'back'], { timeoutMs });
  assert.equal(await hashOf(join(kubectl.scratch, 'back')), await hashOf(source));
}

async function fetchText(port: number): Promise<string> {
  let text = '';
  for await (const chunk of connect({ host: '127.0.0.1', port }).end('GET / HTTP/1.0\r\n\r\n')) text += String(chunk);
  return text;
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Refuses every connection that somebody outside would open. */
function closeInbound({ path }: NetworkNamespace): void {
  const rules = `table inet closed {
    chain input {
      type filter hook input priority 0; policy drop;
      iif "lo" accept
      ct state established,related accept
    }
  }`;
  execFileSync('nsenter', [`--net=${path}`, 'nft', '-f', '-'], { input: rules });
}

/** `fairlead join` in the namespace, with a kubelet on its loopback. */
function joinInside({ path }: NetworkNamespace, options: { joinString: string; directory: string }): PeerProcess {
  const launcher = join(import.meta.dirname, '../../bin/fairlead');
  const args = ['join', options.joinString, '--data-dir', options.directory, '--hostname-override', 'edge'];
  const kubelet = ['--address', '127.0.0.1', '--port', String(kubeletPort), '--route', 'direct'];
  return new PeerProcess('nsenter', [`--net=${path}`, 'sh', launcher, ...args, ...kubelet], { name: 'node' });
}
