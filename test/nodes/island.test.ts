import assert from 'node:assert/strict';
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { probeIsland } from '../../src/cluster/island/probe-island.ts';
import { Kubectl } from '../e2e/kubectl.ts';
import { type KubectlBinary, newestKubectl } from '../e2e/kubectl-binaries.ts';
import { effectiveUserOf, processesWith } from '../e2e/processes.ts';
import { podManifest, shellContainer, sleeper } from '../e2e/with-cluster.ts';
import { type IslandRun, runIslandCluster, type User } from './island-run.ts';

const nobody: User = { uid: 65534, gid: 65534 };
const users = new Map<string, User | undefined>([
  ['the user of the tests', undefined],
  ...(process.getuid?.() === 0 ? [['an ordinary user', nobody] as const] : []),
]);
const binary = newestKubectl();
const probe = await probeIsland();
const skip = !probe.ok ? `no islands here: ${probe.reason}` : binary === undefined && 'no kubectl for this platform';
if (skip) console.log(`# ${skip}`);

/** What `node` runs in a pod: it is mounted there. */
const nodeMount = { name: 'node', hostPath: { path: dirname(process.execPath) } };
const withNode = { volumeMounts: [{ name: 'node', mountPath: '/node' }] };

function exists(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}

for (const [who, user] of users) {
  describe(`a node in an island, run by ${who}`, { skip }, () => {
    let directory = '';
    let run: IslandRun | undefined;
    let kubectl: Kubectl | undefined;
    const cluster = () => run ?? assert.fail('only inside tests');
    const tool = () => kubectl ?? assert.fail('only inside tests');
    const start = async () => {
      run = await runIslandCluster(directory, user);
      kubectl = new Kubectl(binary as KubectlBinary, { kubeconfig: run.kubeconfig }); // the suite is skipped without
    };
    const stop = async () => {
      kubectl?.[Symbol.dispose]();
      await run?.stop();
    };

    before(async () => {
      directory = mkdtempSync(join(tmpdir(), 'fairlead-island-'));
      if (user) chownSync(directory, user.uid, user.gid);
      await start();
      await tool().run(['wait', '--for=create', 'serviceaccount/default', 'configmap/kube-root-ca.crt']);
      await tool().apply(
        podManifest('one', [shellContainer('c', `echo started; ${sleeper}`, withNode)], { volumes: [nodeMount] }),
        podManifest('web', [{ name: 'c', image: 'fairlead/demo', ports: [{ containerPort: 8080 }] }]),
        podManifest('host', [shellContainer('c', sleeper)], { hostNetwork: true }),
      );
      await tool().run(['wait', '--for=condition=Ready', 'pod', '--all', '--timeout=60s']);
    });
    after(async () => {
      try {
        await stop();
      } finally {
        await run?.[Symbol.asyncDispose]();
        rmSync(directory, { recursive: true, force: true });
      }
    });

    const podIp = (name: string) => tool().text(['get', 'pod', name, '-o', 'jsonpath={.status.podIP}']);
    const shell = (pod: string, script: string, options = {}) =>
      tool().text(['exec', pod, '--', 'bash', '-c', script], options);

    test('is reached through the tunnel and by nothing else', async () => {
      assert.equal(effectiveUserOf(cluster().pid), user?.uid ?? process.getuid?.());
      const label = await tool().text([
        'get',
        'node',
        'demo',
        '-o',
        'jsonpath={.metadata.labels.fairlead\\.dev/route}',
      ]);
      assert.equal(label, 'tunnel');
      assert.notEqual(readlinkSync(`/proc/${cluster().pid}/ns/net`), readlinkSync('/proc/self/ns/net'));
      assert.equal(await tool().text(['logs', 'one']), 'started');
      assert.equal(await tool().text(['exec', '-i', 'one', '--', 'cat'], { stdin: 'through' }), 'through');
    });

    test('a pod has a network of its own, with an address of the node’s range', async () => {
      const range = await tool().text(['get', 'node', 'demo', '-o', 'jsonpath={.spec.podCIDR}']);
      const address = await podIp('one');
      assert.equal(address.split('.').slice(0, 3).join('.'), range.split('.').slice(0, 3).join('.'));
      assert.match(await shell('one', 'ip -4 -brief address show eth0'), new RegExp(` ${address}/32`));
      assert.notEqual(
        await shell('one', 'readlink /proc/self/ns/net'),
        await shell('web', 'readlink /proc/self/ns/net'),
      );
    });

    test('a pod on the host network has the island’s, whose only way out is the API server’s port', async () => {
      assert.equal(await podIp('host'), cluster().address);
      assert.equal(await shell('host', 'ip route show default'), '');
      const unreachable = await tool().run(['exec', 'host', '--', 'bash', '-c', ': </dev/tcp/192.0.2.1/80'], {
        code: 1,
      });
      assert.match(unreachable.stderr, /Network is unreachable/);
      const other = createServer().listen(0, '127.0.0.1');
      await new Promise((resolve) => other.once('listening', resolve));
      const { port } = other.address() as { port: number }; // it listens on TCP
      const refused = await tool().run(['exec', 'host', '--', 'bash', '-c', `: </dev/tcp/127.0.0.1/${port}`], {
        code: 1,
      });
      assert.match(refused.stderr, /Connection refused/);
      other.close();
    });

    test('pods reach each other', async () => {
      const request = `exec 3<>/dev/tcp/${await podIp('web')}/8080; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; head -1 <&3`;
      assert.match(await shell('one', request), /^HTTP\/1\.[01] 200/);
    });

    test('a pod reaches the API server at its Service, by TLS of its own, with its token', async () => {
      const program = `
        const { readFileSync } = require('node:fs');
        const folder = '/var/run/secrets/kubernetes.io/serviceaccount/';
        const [host = process.env.KUBERNETES_SERVICE_HOST] = process.argv.slice(1);
        const port = process.env.KUBERNETES_SERVICE_PORT;
        const headers = { authorization: 'Bearer ' + readFileSync(folder + 'token') };
        const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
        const options = { host, port, path, method: 'POST', ca: readFileSync(folder + 'ca.crt'), headers };
        headers['content-type'] = 'application/json';
        const call = require('node:https').request(options, async (response) => {
          const chunks = await response.toArray();
          console.log(host, port, JSON.parse(Buffer.concat(chunks)).status.userInfo.username);
        });
        call.end(JSON.stringify({ kind: 'SelfSubjectReview', apiVersion: 'authentication.k8s.io/v1' }));`;
      const call = (...args: string[]) => tool().text(['exec', 'one', '--', '/node/node', '-e', program, ...args]);
      assert.equal(await call(), '10.96.0.1 443 system:serviceaccount:default:default');
      const name = 'kubernetes.default.svc';
      assert.equal(await call(name), `${name} 443 system:serviceaccount:default:default`);
    });

    test('a Service leads to its pods by rules of the kernel', async () => {
      await tool().apply({
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'web' },
        spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }] },
      });
      const address = await tool().text(['get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}']);
      const request = `exec 3<>/dev/tcp/${address}/80 && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 && head -1 <&3`;
      // Endpoints and rules follow in a moment.
      const patient = `for _ in {1..100}; do (${request}) 2>/dev/null && exit; sleep 0.1; done; exit 1`;
      assert.match(await shell('one', patient), /^HTTP\/1\.[01] 200/);
      assert.match(await shell('host', patient), /^HTTP\/1\.[01] 200/);
      assert.match(await shell('web', patient), /^HTTP\/1\.[01] 200/); // to itself
      assert.match(
        await shell('one', 'getent hosts web'),
        new RegExp(`^${address} +web\\.default\\.svc\\.cluster\\.local`),
      );
      assert.equal(await shell('one', 'getent hosts example.com || echo none'), 'none');
    });

    test('port-forward reaches what listens on all addresses, and on the pod’s localhost alone', async () => {
      const greeter = `require('node:net').createServer({ allowHalfOpen: true }, (socket) => {
        socket.write('hello ');
        socket.pipe(socket);
      }).listen(9000, '127.0.0.1', () => console.log('listening'))`;
      const container = { name: 'c', image: 'any', command: ['/node/node', '-e', greeter], ...withNode };
      await tool().apply(podManifest('local', [container], { volumes: [nodeMount] }));
      await tool().run(['wait', '--for=condition=Ready', 'pod/local', '--timeout=60s']);
      const logs = tool().start(['logs', '-f', 'local']);
      await logs.printed(/listening/);
      assert.match(await throughForward('pod/web', 8080, 'GET / HTTP/1.0\r\n\r\n'), /^HTTP\/1\.[01] 200/);
      assert.equal(await throughForward('pod/local', 9000, 'world'), 'hello world');
    });

    test('probes reach the pod at its address', async () => {
      const container = {
        name: 'c',
        image: 'fairlead/demo',
        ports: [{ name: 'http', containerPort: 8080 }],
        readinessProbe: { httpGet: { port: 'http', path: '/' }, periodSeconds: 1 },
        livenessProbe: { tcpSocket: { port: 'http' }, periodSeconds: 1 },
        lifecycle: { postStart: { exec: { command: ['bash', '-c', 'ip -brief -4 address >/tmp/seen'] } } },
      };
      await tool().apply(podManifest('probed', [container]));
      await tool().run(['wait', '--for=condition=Ready', 'pod/probed', '--timeout=60s']);
      assert.match(await shell('probed', 'cat /tmp/seen'), new RegExp(` ${await podIp('probed')}/32`));
    });

    test('files are copied both ways', async () => {
      const content = Buffer.alloc(3_000_000, 'island');
      await tool().run(['cp', tool().file('there', content), 'one:/tmp/there']);
      await tool().run(['cp', 'one:/tmp/there', 'back']);
      assert.equal(readFileSync(join(tool().scratch, 'back')).compare(content), 0);
    });

    test('many pods come at once with an address each, and leave nothing behind', async () => {
      const names = Array.from({ length: 12 }, (_, index) => `many-${index}`);
      const namespaces = `/proc/${cluster().pid}/root${join(directory, 'nodes/demo/netns')}`;
      const parts = async () => {
        const links = await shell('host', 'ip -brief link | grep -c ^pod');
        return `${links} links, ${readdirSync(namespaces).length} namespaces`;
      };
      const before = await parts();
      await tool().apply(...names.map((name) => podManifest(name, [shellContainer('c', sleeper)])));
      const pods = names.map((name) => `pod/${name}`);
      await tool().run(['wait', '--for=condition=Ready', ...pods, '--timeout=60s']);
      const listed = await tool().text(['get', ...pods, '-o', 'jsonpath={.items[*].status.podIP}']);
      assert.equal(new Set(listed.split(' ')).size, names.length);
      await tool().run(['delete', ...pods, '--timeout=60s']);
      while ((await parts()) !== before) await delay(100); // the node is done a moment after the objects have gone
    });

    test('the next start finds the node and its pods, at their addresses', async () => {
      const before = await podIp('one');
      await stop();
      assert.deepEqual(processesWith(directory), []);
      await start();
      assert.equal(cluster().joined, false);
      const restarted = '--for=jsonpath={.status.containerStatuses[0].restartCount}=1';
      await tool().run(['wait', 'pod/one', restarted, '--timeout=60s']);
      await tool().run(['wait', '--for=condition=Ready', 'pod/one', 'pod/web', '--timeout=60s']);
      assert.equal(await podIp('one'), before);
      assert.match(await shell('one', 'ip -4 -brief address show eth0'), new RegExp(` ${before}/32`));
    });

    test('a cluster that is killed leaves no process, and the next start is as any other', async () => {
      const { pid } = cluster();
      kubectl?.[Symbol.dispose]();
      await run?.[Symbol.asyncDispose]();
      while (processesWith(directory).length > 0 || exists(pid)) await delay(10);
      await start();
      await tool().run(['wait', '--for=condition=Ready', 'pod/one', '--timeout=60s']);
      await tool().run(['delete', 'pod', 'one', '--timeout=30s']);
    });

    async function throughForward(target: string, port: number, text: string): Promise<string> {
      const forward = tool().start(['port-forward', target, `:${port}`]);
      const printed = await forward.printed(/Forwarding from 127\.0\.0\.1:\d+ -> \d+\n/);
      const local = Number(/127\.0\.0\.1:(\d+)/.exec(printed)?.[1]);
      const socket = connect({ host: '127.0.0.1', port: local, allowHalfOpen: true });
      socket.end(text);
      const chunks = (await socket.toArray()) as Buffer[];
      forward[Symbol.dispose]();
      return Buffer.concat(chunks).toString();
    }
  });
}
