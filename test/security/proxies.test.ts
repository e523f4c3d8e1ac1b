import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { connect } from 'node:tls';
import type { Pod } from '../../src/api/kubernetes/core-v1.ts';
import { nodes, pods } from '../../src/client/resources.ts';
import type { IssuedCertificate } from '../../src/pki/certificate-authority.ts';
import { openRogueKubelet } from './rogue-kubelet.ts';
import { grant, openBed, type SecurityBed, untilServiceAccount } from './test-bed.ts';

const webSocket = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'x3JJHMbDL1EzLkh9GBhXDw==',
  'sec-websocket-protocol': 'v5.channel.k8s.io',
};
const spdy = { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': 'v4.channel.k8s.io' };
const everyProxy = { apiGroups: [''], resources: ['nodes/proxy', 'pods/proxy', 'services/proxy'], verbs: ['*'] };

/** A pod that a node reports: everything that a compromised kubelet may claim. */
async function reportPod(bed: SecurityBed, name: string, { node, ip }: { node: string; ip: string }): Promise<void> {
  const { client } = bed.cluster;
  const spec = { nodeName: node, containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 8080 }] }] };
  await client.create<Pod>(pods, { metadata: { name, namespace: 'default' }, spec });
  const status = { phase: 'Running', podIP: ip, podIPs: [{ ip }] };
  const ref = { namespace: 'default', name, subresource: 'status' };
  await client.patch<Pod>(pods, ref, { status }, { type: 'application/merge-patch+json' });
}

describe('nodes/proxy leads into pods only for those who may', () => {
  let bed: SecurityBed;
  let directory: string;
  let monitor: IssuedCertificate;
  let operator: IssuedCertificate;
  const node = 'node-1';
  const proxy = `/api/v1/nodes/${node}/proxy`;
  const endpoints: [method: string, path: string, headers: Record<string, string>, needs: string][] = [
    ['GET', '/exec/default/web/c?command=id&output=1', webSocket, 'create pods/exec'],
    ['POST', '/exec/default/web/c?command=id&output=1', spdy, 'create pods/exec'],
    ['GET', '/EXEC/default/web/c?command=id&output=1', webSocket, 'create pods/exec'],
    ['GET', '/%65xec/default/web/c?command=id&output=1', webSocket, 'create pods/exec'],
    ['GET', '//exec//default/web/c?command=id&output=1', webSocket, 'create pods/exec'],
    ['POST', '/run/default/web/c?cmd=id', {}, 'create pods/exec'],
    ['GET', '/attach/default/web/c?output=1', webSocket, 'create pods/attach'],
    ['GET', '/portForward/default/web?port=80', webSocket, 'create pods/portforward'],
    ['GET', '/containerLogs/default/web/c', {}, 'get pods/log'],
  ];

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'fairlead-audit-'));
    const policyYaml = 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{ level: Metadata }]\n';
    bed = await openBed({ apiServer: { audit: { policyYaml, logPath: join(directory, 'audit.log') } } });
    await bed.cluster.addNode({ name: node });
    await untilServiceAccount(bed.cluster);
    await bed.create('/api/v1/namespaces/default/pods', {
      metadata: { name: 'web' },
      spec: {
        containers: [{ name: 'c', image: 'busybox', command: ['sh', '-c', 'echo started; exec sleep 1000'] }],
      },
    });
    const running = { namespace: 'default', fieldSelector: 'metadata.name=web' };
    for await (const event of bed.cluster.client.watch<Pod>(pods, running)) {
      if (event.type !== 'BOOKMARK' && event.type !== 'ERROR' && event.object.status?.phase === 'Running') break;
    }
    monitor = await bed.issue('monitor');
    operator = await bed.issue('operator');
    await grant(bed, 'monitor', [everyProxy]);
    await grant(bed, 'operator', [
      everyProxy,
      { apiGroups: [''], resources: ['pods/exec', 'pods/attach', 'pods/portforward'], verbs: ['create'] },
      { apiGroups: [''], resources: ['pods/log'], verbs: ['get'] },
    ]);
  });
  after(async () => {
    await bed[Symbol.asyncDispose]();
    const lines = (await readFile(join(directory, 'audit.log'), 'utf8')).trim().split('\n');
    await rm(directory, { recursive: true, force: true });
    const events = lines.map((line) => JSON.parse(line));
    const completed = events.filter(({ stage, user }) => stage === 'ResponseComplete' && user.username === 'operator');
    const codes = (resource: string) =>
      completed.filter(({ objectRef }) => objectRef.resource === resource).map((event) => event.responseStatus.code);
    assert.deepEqual(
      [codes('pods').sort(), codes('nodes').sort()],
      [
        [101, 200, 200],
        [101, 200, 200],
      ],
    );
    for (const [user, decision] of [
      ['monitor', 'forbid'],
      ['operator', 'allow'],
    ]) {
      const exec = events.find(
        (event) =>
          event.user.username === user &&
          event.objectRef?.resource === 'pods' &&
          event.objectRef?.subresource === 'exec' &&
          event.annotations?.['authorization.k8s.io/decision'] === decision,
      );
      assert.equal(exec?.verb, 'create', `the audit log has the ${decision} of ${user} under the pod`);
      assert.deepEqual([exec.objectRef.namespace, exec.objectRef.name], ['default', 'web']);
      const actsAs = 'proxy.fairlead.dev/acts-as';
      const outer = events.filter(
        ({ auditID, objectRef }) => auditID === exec.auditID && objectRef.resource === 'nodes',
      );
      assert.ok(outer.some(({ annotations }) => annotations?.[actsAs] === 'create pods/exec default/web'));
    }
  });

  for (const [method, path, headers, needs] of endpoints) {
    test(`${method} ${path} needs ${needs}`, async () => {
      const refused = await bed.call(proxy + path, { certificate: monitor, method, headers });
      assert.equal(refused.status, 403, refused.body);
      const [verb, resource] = needs.split(' ');
      assert.match(
        refused.message,
        new RegExp(`pods "web" is forbidden: User "monitor" cannot ${verb} resource "${resource}"`),
      );
    });
  }

  test('who may, reaches the pod through the node', async () => {
    const run = await bed.call(`${proxy}/run/default/web/c?cmd=echo+hello`, { certificate: operator, method: 'POST' });
    assert.deepEqual([run.status, run.body], [200, 'hello\n']);
    const exec = await bed.call(`${proxy}/exec/default/web/c?command=true&output=1`, {
      certificate: operator,
      headers: webSocket,
    });
    assert.equal(exec.status, 101, exec.body);
    const logs = await bed.call(`${proxy}/containerLogs/default/web/c`, { certificate: operator });
    assert.deepEqual([logs.status, logs.body], [200, 'started\n']);
  });

  test("what is the node's own needs nodes/proxy alone, and upgrades need create", async () => {
    for (const path of ['/healthz', '/metrics', '/pods']) {
      const answer = await bed.call(proxy + path, { certificate: monitor });
      assert.deepEqual([answer.status, answer.headers['warning']], [200, undefined], path);
    }
    const reader = await bed.issue('reader');
    await grant(bed, 'reader', [{ apiGroups: [''], resources: ['nodes/proxy'], verbs: ['get'] }]);
    assert.equal((await bed.call(`${proxy}/healthz`, { certificate: reader })).status, 200);
    const upgrade = await bed.call(`${proxy}/healthz`, { certificate: reader, headers: webSocket });
    assert.equal(upgrade.status, 403);
    assert.match(upgrade.message, /cannot create resource "nodes\/proxy"/);
  });

  test('no spelling of a path reaches a command that the rules did not see', async () => {
    for (const path of [
      '/metrics/..%2fexec/default/web/c?command=id',
      '/metrics/../exec/default/web/c?command=id',
      '/metrics/%2e%2e/exec/default/web/c?command=id',
      '/metrics/..\\exec/default/web/c?command=id',
      '/metrics\\..\\exec\\default\\web\\c?command=id',
      '/\\exec/default/web/c?command=id',
      '/exec%2fdefault%2fweb%2fc?command=id',
      '/exec;x/default/web/c?command=id',
      '/%09exec/default/web/c?command=id',
      '/exec%00/default/web/c?command=id',
    ]) {
      for (const headers of [webSocket, {}]) {
        const answer = await bed.call(proxy + path, { certificate: monitor, headers });
        assert.ok([400, 403, 404].includes(answer.status), `${path}: ${answer.status} ${answer.body}`);
      }
    }
  });
});

describe('the API server as a proxy', () => {
  let bed: SecurityBed;
  let secret: Awaited<ReturnType<typeof listenSecret>>;
  before(async () => {
    bed = await openBed();
    await untilServiceAccount(bed.cluster);
    secret = await listenSecret();
  });
  after(async () => {
    await secret[Symbol.asyncDispose]();
    await bed[Symbol.asyncDispose]();
  });
  const ask = (path: string, more: object = {}) => bed.call(path, { certificate: bed.admin, ...more });

  test('a compromised node cannot have its pods dialled where it likes', async () => {
    const { client } = bed.cluster;
    await client.create(nodes, {
      metadata: { name: 'evil' },
      spec: { podCIDR: '10.244.7.0/24', podCIDRs: ['10.244.7.0/24'] },
    });
    const addresses = [
      '127.0.0.1',
      '127.64.3.4',
      '169.254.169.254',
      '10.244.8.1',
      '10.96.0.1',
      '192.168.1.1',
      '::1',
      '0.0.0.0',
      'fd00:ec2::254',
    ];
    for (const [index, ip] of addresses.entries()) {
      const name = `liar-${index}`;
      await reportPod(bed, name, { node: 'evil', ip });
      for (const id of [name, `${name}:${secret.port}`, `https:${name}:${secret.port}`]) {
        const answer = await ask(`/api/v1/namespaces/default/pods/${id}/proxy/`);
        assert.deepEqual([answer.status, answer.message], [400, 'address not allowed'], `${ip} ${id}`);
      }
    }
    assert.deepEqual(secret.requests, []);
  });

  test('a node whose address is that of the control plane is reached at its kubelet alone, which has to prove itself', async () => {
    const { client } = bed.cluster;
    const { port: apiPort } = new URL(bed.cluster.server);
    const self = await bed.pki.kubeletServing.issue({ commonName: 'x', dnsNames: ['somebody'], usages: ['server'] });
    await using kubelet = await openRogueKubelet(bed, { name: 'pretender', certificate: self });
    for (const id of [`pretender:${secret.port}`, `http:pretender:${secret.port}`, `https:pretender:${apiPort}`]) {
      const answer = await ask(`/api/v1/nodes/${id}/proxy/`);
      assert.deepEqual([answer.status, answer.message], [400, 'address not allowed'], id);
    }
    const unproved = await ask('/api/v1/nodes/pretender/proxy/metrics');
    assert.equal(unproved.status, 503);
    assert.match(
      unproved.message,
      /error trying to reach service: kubelet of node "pretender".*tls: the certificate is for/,
    );
    assert.deepEqual(kubelet.heads, []);
    for (const [name, address] of [
      ['metadata', '169.254.169.254'],
      ['mapped', '::ffff:127.0.0.1'],
      ['unspecified', '0.0.0.0'],
    ] as const) {
      await client.create(nodes, { metadata: { name } });
      const status = {
        addresses: [{ type: 'InternalIP', address }],
        daemonEndpoints: { kubeletEndpoint: { Port: secret.port } },
      };
      const ref = { name, subresource: 'status' };
      await client.patch(nodes, ref, { status }, { type: 'application/strategic-merge-patch+json' });
      for (const id of [name, `${name}:${secret.port}`, `${name}:80`]) {
        const answer = await ask(`/api/v1/nodes/${id}/proxy/`);
        assert.deepEqual([answer.status, answer.message], [400, 'address not allowed'], id);
      }
    }
    assert.deepEqual(secret.requests, []);
  });

  test('an endpoint that somebody wrote by hand is not dialled', async () => {
    await bed.create('/api/v1/namespaces/default/services', {
      metadata: { name: 'manual' },
      spec: { ports: [{ port: 80 }] },
    });
    for (const [index, endpoint] of [
      { addresses: ['10.9.9.9'] },
      { addresses: ['10.9.9.9'], targetRef: { kind: 'Pod', namespace: 'default', name: 'none' } },
      { addresses: ['10.9.9.9'], targetRef: { kind: 'Pod', namespace: 'kube-system', name: 'none' } },
      { addresses: ['127.64.0.9'], targetRef: { kind: 'Node', name: 'evil' } },
    ].entries()) {
      await bed.create('/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', {
        metadata: { name: `manual-${index}`, labels: { 'kubernetes.io/service-name': 'manual' } },
        addressType: 'IPv4',
        ports: [{ name: '', port: secret.port }],
        endpoints: [endpoint],
      });
    }
    const answer = await ask('/api/v1/namespaces/default/services/manual:80/proxy/');
    assert.deepEqual([answer.status, answer.message], [503, 'no endpoints available for service "manual:80"']);
  });

  test('a role that names an object by one spelling says nothing about the others', async () => {
    const named = await bed.issue('named');
    await grant(bed, 'named', [
      { apiGroups: [''], resources: ['services/proxy'], resourceNames: ['web'], verbs: ['get'] },
    ]);
    const status = async (id: string) =>
      (await bed.call(`/api/v1/namespaces/default/services/${id}/proxy/`, { certificate: named })).status;
    assert.equal(await status('web'), 404);
    for (const id of ['web:80', 'http:web:', 'https:web:443', ':web:']) assert.equal(await status(id), 403, id);
  });

  test('requests that two servers would read differently are refused', async () => {
    const target = '/api/v1/namespaces/default/pods/liar-0/proxy/';
    const second = `GET /api/v1/secrets HTTP/1.1\r\nhost: a\r\n\r\n`;
    for (const head of [
      `POST ${target} HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${second}`,
      `POST ${target} HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello`,
      `POST ${target} HTTP/1.1\r\nhost: a\r\ncontent-length: +5\r\n\r\nhello`,
      `POST ${target} HTTP/1.1\r\nhost: a\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\n${second}`,
      `POST ${target} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n${second}`,
      `POST ${target} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n`,
      `GET ${target} HTTP/1.1\r\nhost: a\r\nx-remote-user : admin\r\n\r\n`,
      `GET ${target} HTTP/1.1\r\nhost: a\r\n folded: x\r\n\r\n`,
      `GET ${target}\thttp://x HTTP/1.1\r\nhost: a\r\n\r\n`,
    ]) {
      const answer = await sendRaw(bed, head);
      assert.match(answer, /^HTTP\/1\.1 400 /, head);
      assert.equal(answer.match(/^HTTP\/1\.1 /gm)?.length, 1, `one answer only: ${head}`);
    }
  });
});

/** A service of the control plane's own machine that nobody is to reach. */
async function listenSecret() {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    response.end('secret');
  });
  await new Promise<void>((resolve) => server.listen(0, resolve));
  return {
    requests,
    port: (server.address() as AddressInfo).port, // it listens on TCP
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

/** Bytes over TLS as the administrator; everything that is answered until the connection ends or rests. */
function sendRaw(bed: SecurityBed, bytes: string): Promise<string> {
  const { hostname, port } = new URL(bed.cluster.server);
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: hostname,
      port: Number(port),
      ca: bed.cluster.ca,
      cert: bed.admin.certificatePem,
      key: bed.admin.privateKeyPem,
      ALPNProtocols: ['http/1.1'],
    });
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
    });
    socket.once('secureConnect', () => socket.write(bytes));
    socket.once('error', reject);
    socket.once('end', () => resolve(text));
    socket.once('close', () => resolve(text));
  });
}
