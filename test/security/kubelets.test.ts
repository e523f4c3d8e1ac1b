import assert from 'node:assert/strict';
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { connect } from 'node:tls';
import { openClusterPki } from '../../src/pki/authority.ts';
import type { IssuedCertificate } from '../../src/pki/certificate-authority.ts';
import { formatPrivateKey, generateKeyPair } from '../../src/pki/key.ts';
import { createCertificate } from '../../src/pki/x509.ts';
import { openRogueKubelet } from './rogue-kubelet.ts';
import { type Answer, grant, openBed, type SecurityBed, untilServiceAccount } from './test-bed.ts';

const day = 86_400_000;
const webSocket = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'x3JJHMbDL1EzLkh9GBhXDw==',
  'sec-websocket-protocol': 'v5.channel.k8s.io',
};
const spdy = { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': 'v4.channel.k8s.io' };

describe('the API server before kubelets that are not what they say', () => {
  let bed: SecurityBed;
  before(async () => {
    bed = await openBed();
    await untilServiceAccount(bed.cluster);
  });
  after(() => bed[Symbol.asyncDispose]());

  const serving = (node: string, names: { dnsNames?: string[]; ipAddresses?: string[] } = {}) =>
    bed.pki.kubeletServing.issue({
      commonName: `system:node:${node}`,
      organizations: ['system:nodes'],
      dnsNames: [node],
      usages: ['server'],
      ...names,
    });
  const logs = (node: string): Promise<Answer> =>
    bed.call(`/api/v1/namespaces/default/pods/on-${node}/log`, { certificate: bed.admin });
  const exec = (node: string, headers: Record<string, string> = spdy): Promise<Answer> =>
    bed.call(`/api/v1/namespaces/default/pods/on-${node}/exec?command=id&stdout=1`, {
      certificate: bed.admin,
      method: headers === spdy ? 'POST' : 'GET',
      headers,
    });

  const cases: [string, string, (node: string) => Promise<IssuedCertificate>, RegExp][] = [
    [
      'self-signed',
      'a-self-signed',
      selfSigned,
      /tls: the kubelet shows a self-signed certificate .*--kubelet-certificate-authority does not cover: .*serverTLSBootstrap: true/,
    ],
    [
      'of another authority',
      'another-authority',
      async (node) =>
        (await openClusterPki()).kubeletServing.issue({
          commonName: `system:node:${node}`,
          dnsNames: [node],
          usages: ['server'],
        }),
      /tls: the kubelet.*certificate.*authority.*--kubelet-certificate-authority/,
    ],
    [
      'of the cluster CA, which signs clients',
      'cluster-ca',
      (node) => bed.pki.cluster.issue({ commonName: `system:node:${node}`, dnsNames: [node], usages: ['server'] }),
      /tls: the kubelet.*certificate.*authority.*--kubelet-certificate-authority/,
    ],
    [
      'for another name',
      'other-name',
      (node) => serving(node, { dnsNames: ['elsewhere.example.com'], ipAddresses: ['192.0.2.1'] }),
      /tls: the certificate is for DNS:elsewhere\.example\.com.*, not for node "other-name" or 127\.0\.0\.1/,
    ],
    [
      'of another node, with the right address',
      'other-node',
      () => serving('somebody', { dnsNames: ['somebody'], ipAddresses: ['127.0.0.1'] }),
      /tls: the certificate is that of node "somebody" .*, not for node "other-node" or 127\.0\.0\.1/,
    ],
    [
      'with a wildcard',
      'wild.card',
      (node) => serving(node, { dnsNames: ['*.card'] }),
      /tls: the certificate is for DNS:\*\.card, not for node "wild\.card"/,
    ],
    [
      'for clients only',
      'client-only',
      (node) =>
        bed.pki.kubeletServing.issue({ commonName: `system:node:${node}`, dnsNames: [node], usages: ['client'] }),
      /tls: /,
    ],
    [
      'that has expired',
      'expired',
      async (node) =>
        (await bed.pkiAt(Date.now() - 2 * day)).kubeletServing.issue({
          commonName: `system:node:${node}`,
          dnsNames: [node],
          usages: ['server'],
          lifetimeMs: day,
        }),
      /tls: the kubelet's serving certificate has expired/,
    ],
  ];
  for (const [what, node, make, expected] of cases) {
    test(`a serving certificate ${what} is refused for logs and exec, and the error names hop and cause`, async () => {
      await using kubelet = await openRogueKubelet(bed, { name: node, certificate: await make(node) });
      for (const answer of [await logs(node), await exec(node), await exec(node, webSocket)]) {
        assert.ok(answer.status === 500 || answer.status === 101, answer.body);
        const hop = `error dialing backend: kubelet of node "${node}": 127.0.0.1:${kubelet.port}: `;
        assert.ok(answer.message.startsWith(hop), answer.message);
        assert.match(answer.message, expected);
      }
      assert.deepEqual(kubelet.heads, [], 'no request got that far');
    });
  }

  test('a redirect from a kubelet is refused: nothing follows it, and the client does not get it', async () => {
    const visits: string[] = [];
    const second = createHttpServer((request, response) => {
      visits.push(request.url ?? '');
      response.end('stolen');
    });
    await using _second = {
      [Symbol.asyncDispose]: () => new Promise<void>((resolve) => second.close(() => resolve())),
    };
    await new Promise<void>((resolve) => second.listen(0, '127.0.0.1', resolve));
    const elsewhere = `http://127.0.0.1:${(second.address() as AddressInfo).port}/stolen`; // it listens on TCP
    for (const status of [301, 302, 303, 307, 308]) {
      const node = `redirects-${status}`;
      const answer = `HTTP/1.1 ${status} Moved\r\nLocation: ${elsewhere}\r\nContent-Length: 0\r\n\r\n`;
      await using _kubelet = await openRogueKubelet(bed, { name: node, certificate: await serving(node), answer });
      for (const refused of [await logs(node), await exec(node), await exec(node, webSocket)]) {
        assert.ok(refused.status === 500 || refused.status === 101, refused.body);
        assert.match(
          refused.message,
          new RegExp(`kubelet of node "${node}" answered with a redirect \\(${status}\\), which is refused`),
        );
        assert.equal(refused.headers['location'], undefined);
      }
    }
    assert.deepEqual(visits, []);
  });

  test("a kubelet's 401 and 403 are about the API server, and are not handed on as the user's", async () => {
    for (const status of [401, 403]) {
      const node = `refuses-${status}`;
      const answer = `HTTP/1.1 ${status} No\r\nWWW-Authenticate: Basic\r\nContent-Length: 6\r\n\r\ndenied`;
      await using _kubelet = await openRogueKubelet(bed, { name: node, certificate: await serving(node), answer });
      for (const refused of [await logs(node), await exec(node)]) {
        assert.equal(refused.status, 500);
        assert.match(
          refused.message,
          /refused the API server's own credentials with 40[13]: denied; check --kubelet-client-certificate/,
        );
        assert.equal(refused.headers['www-authenticate'], undefined);
      }
    }
  });

  test("neither the user's credentials nor identity headers reach a kubelet", async () => {
    const node = 'listens';
    await using kubelet = await openRogueKubelet(bed, {
      name: node,
      certificate: await serving(node),
      answer: 'HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n',
    });
    const secret = {
      authorization: 'Bearer my-own-token',
      cookie: 'session=mine',
      'x-remote-user': 'root',
      'x-forwarded-for': '192.0.2.1',
    };
    const call = {
      certificate: bed.admin,
      headers: { ...secret, 'impersonate-user': 'root', 'impersonate-group': 'system:masters' },
    };
    await bed.call(`/api/v1/namespaces/default/pods/on-${node}/log`, call);
    await bed.call(`/api/v1/namespaces/default/pods/on-${node}/exec?command=id&stdout=1`, {
      ...call,
      method: 'POST',
      headers: { ...call.headers, ...spdy },
    });
    assert.equal(kubelet.heads.length, 2);
    assert.doesNotMatch(kubelet.heads.join(''), /my-own-token|session=mine|x-remote|impersonate|192\.0\.2\.1/i);
    assert.deepEqual(kubelet.callers, ['kube-apiserver-kubelet-client', 'kube-apiserver-kubelet-client']);
  });

  for (const [kind, upgrade] of [
    ['SPDY', spdy],
    ['WebSocket', webSocket],
  ] as const) {
    test(`after a refused ${kind} upgrade both sides are closed: what a client sends behind it goes nowhere`, async () => {
      const node = `pipelined-${kind.toLowerCase()}`;
      const answer = 'HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nbad';
      await using kubelet = await openRogueKubelet(bed, { name: node, certificate: await serving(node), answer });
      const socket = connect({
        host: '127.0.0.1',
        port: Number(new URL(bed.cluster.server).port),
        ca: bed.cluster.ca,
        cert: bed.admin.certificatePem,
        key: bed.admin.privateKeyPem,
      });
      const method = upgrade === spdy ? 'POST' : 'GET';
      const headers = Object.entries(upgrade)
        .map(([name, value]) => `${name}: ${value}\r\n`)
        .join('');
      const smuggled = 'GET /pods HTTP/1.1\r\nHost: kubelet\r\n\r\n';
      socket.write(
        `${method} /api/v1/namespaces/default/pods/on-${node}/exec?command=id&stdout=1 HTTP/1.1\r\nHost: a\r\n${headers}\r\n${smuggled}`,
      );
      let received = '';
      socket.setEncoding('utf8').on('data', (text: string) => {
        received += text;
        if (received.includes('bad')) socket.write(smuggled);
      });
      socket.on('error', () => {}); // writing to what the server has closed
      await new Promise((resolve) => socket.once('close', resolve));
      assert.match(received, /^HTTP\/1\.1 (4\d\d|101) /);
      assert.equal(received.match(/HTTP\/1\.1 /g)?.length, 1, received);
      assert.ok(kubelet.heads.length <= 1);
      assert.ok(!kubelet.heads.join('').includes('GET /pods'));
    });
  }
});

describe('rights to streams', () => {
  let bed: SecurityBed;
  before(async () => {
    bed = await openBed();
    const node = await bed.cluster.addNode({ runtime: 'simulated', exec: () => ({ stdout: 'ran\n' }) });
    await untilServiceAccount(bed.cluster);
    await bed.create('/api/v1/namespaces/default/pods', {
      metadata: { name: 'web' },
      spec: { nodeName: node.name, containers: [{ name: 'c', image: 'x' }] },
    });
  });
  after(() => bed[Symbol.asyncDispose]());

  test('GET by WebSocket needs create on the subresource: get is not enough', async () => {
    const reader = await bed.issue('reader');
    const subresources = ['exec', 'attach', 'portforward'];
    await grant(bed, 'reader', [
      {
        apiGroups: [''],
        resources: ['pods', ...subresources.map((name) => `pods/${name}`)],
        verbs: ['get', 'list', 'watch'],
      },
    ]);
    for (const name of subresources) {
      const query = name === 'portforward' ? 'ports=80' : 'command=id&stdout=1';
      const headers = {
        ...webSocket,
        'sec-websocket-protocol': name === 'portforward' ? 'v4.channel.k8s.io' : 'v5.channel.k8s.io',
      };
      const path = `/api/v1/namespaces/default/pods/web/${name}?${query}`;
      const answer = await bed.call(path, { certificate: reader, headers });
      assert.equal(answer.status, 403, `${name}: ${answer.status} ${answer.message}`);
      assert.equal(
        answer.message,
        `pods "web" is forbidden: User "reader" cannot create resource "pods/${name}" in API group "" in the namespace "default"`,
      );
      const post = await bed.call(path, { certificate: reader, method: 'POST', headers: spdy });
      assert.equal(post.status, 403, name);
    }
  });

  test('rights to one subresource, pod or namespace open no other', async () => {
    const logger = await bed.issue('logger');
    await grant(bed, 'logger', [
      { apiGroups: [''], resources: ['pods/log'], verbs: ['get'], resourceNames: ['other'] },
    ]);
    const paths = [
      'web/log',
      'web/exec?command=id',
      'web/attach',
      'web/portforward',
      'other/exec?command=id',
      'web/../other/log',
      'other%2f..%2fweb/log',
    ];
    for (const path of paths) {
      const { status } = await bed.call(`/api/v1/namespaces/default/pods/${path}`, { certificate: logger });
      assert.ok(status === 403 || status === 400, `${path}: ${status}`);
    }
    const missing = await bed.call('/api/v1/namespaces/default/pods/other/log', { certificate: logger });
    assert.equal(missing.status, 404);
  });
});

async function selfSigned(node: string): Promise<IssuedCertificate> {
  const keys = generateKeyPair();
  const certificatePem = await createCertificate({
    subject: { commonName: `${node}@1700000000` },
    dnsNames: [node],
    ipAddresses: ['127.0.0.1'],
    publicKey: keys.publicKey,
    usages: ['digital signature', 'server auth'],
    notBeforeMs: Date.now() - day,
    notAfterMs: Date.now() + day,
    issuer: { keys },
  });
  return { certificatePem, privateKeyPem: formatPrivateKey(keys.privateKey) };
}
