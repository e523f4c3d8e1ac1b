import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createNetworkNamespace, type NetworkNamespace } from '../interop/network-namespace.ts';
import { findPeer, PeerProcess } from '../interop/peer-process.ts';
import { runCli } from '../nodes/cli-process.ts';
import { type FairleadProcess, startUp } from './fairlead-process.ts';
import { Kubectl } from './kubectl.ts';
import { newestKubectl } from './kubectl-binaries.ts';
import { podManifest, shellContainer } from './with-cluster.ts';

const launcher = join(import.meta.dirname, '../../bin/fairlead');
const binary = newestKubectl();
const missing =
  process.getuid?.() !== 0
    ? 'needs root for a network namespace'
    : !existsSync('/usr/sbin/nft')
      ? 'needs nft'
      : !binary
        ? 'needs kubectl'
        : undefined;

/** What a machine behind NAT can do: open connections to one port, and nothing else; nobody can open one to it. */
function onlyOnePort({ path, hostAddress }: NetworkNamespace, port: number): void {
  const rules = `
    table inet only {
      chain in {
        type filter hook input priority 0; policy drop;
        iif lo accept
        ct state established accept
      }
      chain out {
        type filter hook output priority 0; policy drop;
        oif lo accept
        ip daddr ${hostAddress} tcp dport ${port} accept
      }
    }`;
  execFileSync('nsenter', [`--net=${path}`, 'nft', '-f', '-'], { input: rules });
}

describe('a machine that can reach one port of the control plane, and that nobody can reach', {
  skip: missing ?? false,
}, () => {
  const directory = mkdtempSync(join(tmpdir(), 'fairlead-one-port-'));
  const owned = new AsyncDisposableStack();
  let namespace: NetworkNamespace;
  let cluster: FairleadProcess;
  let kubectl: Kubectl;
  let port = 0;

  const joinNode = async (name: string, args: readonly string[] = []): Promise<PeerProcess> => {
    const joinString =
      (await runCli(['token', 'create', '--data-dir', join(cluster.directory, 'data'), '-o', 'text'])).split('\n')[0] ??
      '';
    const all = [
      'join',
      joinString,
      '--hostname-override',
      name,
      '--data-dir',
      join(directory, name),
      '--port',
      '0',
      ...args,
    ];
    return new PeerProcess('nsenter', [`--net=${namespace.path}`, 'sh', launcher, ...all], { name: `node ${name}` });
  };

  before(async () => {
    owned.defer(() => rmSync(directory, { recursive: true, force: true }));
    namespace = owned.use(createNetworkNamespace());
    cluster = owned.use(await startUp({ args: ['--no-node', '--bind-address', namespace.hostAddress] }));
    port = Number(/server: https:\/\/[\d.]+:(\d+)/.exec(readFileSync(cluster.kubeconfig, 'utf8'))?.[1]);
    onlyOnePort(namespace, port);
    if (!binary) return;
    kubectl = owned.use(new Kubectl(binary, { kubeconfig: cluster.kubeconfig }));
    owned.use(await joinNode('far'));
    await kubectl.run(['wait', '--for=create', 'node/far', '--timeout=30s']);
    await kubectl.run(['wait', '--for=condition=Ready', 'node/far', '--timeout=30s']);
    await kubectl.run(['wait', '--for=create', 'serviceaccount/default', '--timeout=30s']);
    const script = 'echo started; while :; do date; sleep 1; done';
    await kubectl.apply(podManifest('p', [shellContainer('c', script)]));
    await kubectl.run(['wait', '--for=condition=Ready', 'pod/p', '--timeout=30s']);
  });
  after(async () => {
    // Pods outlive their node's agent.
    await kubectl?.run(['delete', 'pods', '--all', '--timeout=30s'], { code: 'any' });
    await owned.disposeAsync();
  });

  test('nothing of it can be dialled, and its route is recorded', async () => {
    const labels = await kubectl.text(['get', 'node', 'far', '-L', 'fairlead.dev/route', '--no-headers']);
    assert.match(labels, /^far\s+Ready.*tunnel$/);
    const kubelet = await kubectl.text([
      'get',
      'node',
      'far',
      '-o',
      'jsonpath={.status.daemonEndpoints.kubeletEndpoint.Port}',
    ]);
    const refused = await new Promise<string>((resolve) => {
      const socket = createConnection({ host: namespace.address, port: Number(kubelet), timeout: 500 });
      const settle = (how: string) => {
        socket.destroy();
        resolve(how);
      };
      socket.once('connect', () => settle('connected'));
      socket.once('timeout', () => settle('no answer'));
      socket.once('error', (error) => settle(error.message));
    });
    assert.notEqual(refused, 'connected');
    const routes = await runCli(['get', 'routes', '--data-dir', join(cluster.directory, 'data')]);
    assert.match(routes, /far\s+tunnel\s+yes/);
  });

  test('logs, exec, attach, cp and port-forward work', async () => {
    assert.match(await kubectl.text(['logs', 'p']), /^started\n/);
    using followed = kubectl.start(['logs', '-f', 'p', '--tail=1']);
    await followed.printed(/\d\d:\d\d:\d\d[\s\S]*\d\d:\d\d:\d\d/);
    assert.equal(await kubectl.text(['exec', 'p', '--', 'sh', '-c', 'echo from the node']), 'from the node');
    const echoed = await kubectl.run(['exec', '-i', 'p', '--', 'cat'], { stdin: 'there and back' });
    assert.equal(echoed.stdout, 'there and back');
    const bytes = randomBytes(16 * 1024 * 1024);
    const there = kubectl.file('there', bytes);
    await kubectl.run(['cp', there, 'p:/tmp/data']);
    await kubectl.run(['cp', 'p:/tmp/data', join(kubectl.scratch, 'back')]);
    const hash = (content: Uint8Array) => createHash('sha256').update(content).digest('hex');
    assert.equal(hash(readFileSync(join(kubectl.scratch, 'back'))), hash(bytes));
  });

  test('its pods reach the API server by that port, with verified TLS and their own tokens', async () => {
    const script =
      'd=/var/run/secrets/kubernetes.io/serviceaccount; curl -sS --cacert $d/ca.crt -H "Authorization: Bearer $(cat $d/token)" ' +
      'https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/apis/authentication.k8s.io/v1/selfsubjectreviews ' +
      '-H "Content-Type: application/json" -d \'{"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1"}\'';
    const answer = JSON.parse(await kubectl.text(['exec', 'p', '--', 'sh', '-c', script]));
    assert.equal(answer.status.userInfo.username, 'system:serviceaccount:default:default');
  });

  test("upstream's agent serves a node by the same port, with the node's certificate", async (t) => {
    const program = findPeer('konnectivity', 'agent');
    if (!program) return t.skip('upstream’s agent is not built (npm run peers)');
    // The node has no agent of ours: the tunnel is made its route by the operator, for the agent that is started beside it.
    await using _node = await joinNode('mixed', ['--route', 'direct']);
    await kubectl.run(['wait', '--for=create', 'node/mixed', '--timeout=30s']);
    await kubectl.run(['wait', '--for=condition=Ready', 'node/mixed', '--timeout=30s']);
    await kubectl.run(['label', 'node', 'mixed', 'fairlead.dev/route=tunnel', '--overwrite']);
    await kubectl.apply(podManifest('q', [shellContainer('c', 'echo hello; sleep 1000')], { nodeName: 'mixed' }));
    await kubectl.run(['wait', '--for=condition=Ready', 'pod/q', '--timeout=30s']);
    const without = await kubectl.run(['logs', 'q'], { code: 1 });
    assert.match(without.stderr, /node "mixed".*[Nn]o agent/);
    const pki = join(directory, 'mixed', 'pki', 'kubelet-client-current.pem');
    const ca = join(directory, 'ca.crt');
    const config = JSON.parse(await kubectl.text(['config', 'view', '--raw', '-o', 'json']));
    writeFileSync(ca, Buffer.from(config.clusters[0].cluster['certificate-authority-data'], 'base64'));
    await using agent = new PeerProcess(
      'nsenter',
      [
        `--net=${namespace.path}`,
        program,
        '--agent-id=mixed-upstream',
        '--agent-identifiers=host=mixed',
        `--proxy-server-host=${namespace.hostAddress}`,
        `--proxy-server-port=${port}`,
        `--ca-cert=${ca}`,
        `--agent-cert=${pki}`,
        `--agent-key=${pki}`,
        '--health-server-port=18093',
        '--admin-server-port=18094',
      ],
      { name: 'upstream agent' },
    );
    const ready = () =>
      execFileSync('nsenter', [`--net=${namespace.path}`, 'curl', '-sf', 'http://127.0.0.1:18093/readyz']).toString();
    await agent.until(async () => ready().includes('ok'), 15_000);
    assert.equal(await kubectl.text(['logs', 'q']), 'hello');
    assert.equal(await kubectl.text(['exec', 'q', '--', 'echo', 'through their agent']), 'through their agent');
    await kubectl.run(['delete', 'pod', 'q', '--timeout=30s']);
  });
});
