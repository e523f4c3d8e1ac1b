import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openClusterPki } from '../../src/pki/authority.ts';
import type { IssuedCertificate } from '../../src/pki/certificate-authority.ts';
import { formatPrivateKey, generateKeyPair, parsePrivateKey } from '../../src/pki/key.ts';
import { createCertificate } from '../../src/pki/x509.ts';
import type { TestNode } from '../../src/testing/create-cluster.ts';
import { type Answer, type Call, callHttps, createToken, grant, openBed, type SecurityBed } from './test-bed.ts';

const day = 86_400_000;
const root = { commonName: 'root', organizations: ['system:masters'] } as const;
const masters = { ...root, usages: ['client'] } as const;
const unauthorized = {
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Failure',
  message: 'Unauthorized',
  reason: 'Unauthorized',
  code: 401,
};

describe('credentials over real sockets', () => {
  let bed: SecurityBed;
  let node: TestNode;
  before(async () => {
    bed = await openBed();
    node = await bed.cluster.addNode({ runtime: 'simulated' });
  });
  after(() => bed[Symbol.asyncDispose]());

  const kubelet = (path: string, call: Call = {}): Promise<Answer> =>
    callHttps(`https://127.0.0.1:${node.port}`, path, {
      ca: bed.pki.kubeletServing.certificatePem,
      servername: node.name,
      ...call,
    });

  /** Each is of `system:masters` by its own words. */
  const wrongCertificates: Record<string, () => Promise<IssuedCertificate>> = {
    'of another cluster': async () => (await openClusterPki()).cluster.issue(masters),
    'of the kubelet serving CA': () => bed.pki.kubeletServing.issue(masters),
    'of the front-proxy CA': () => bed.pki.frontProxy.issue(masters),
    'for servers only': () => bed.pki.cluster.issue({ ...masters, usages: ['server'] }),
    'that has expired': async () =>
      (await bed.pkiAt(Date.now() - 2 * day)).cluster.issue({ ...masters, lifetimeMs: day }),
    'that is not valid yet': async () => (await bed.pkiAt(Date.now() + day)).cluster.issue(masters),
    'that signs itself': () => forge(),
    'that another client signed': async () => forge(await bed.pki.cluster.issue(masters)),
  };

  for (const [what, make] of Object.entries(wrongCertificates)) {
    test(`a client certificate ${what} is nobody at the API server and at the kubelet`, async () => {
      const certificate = await make();
      const answer = await bed.call('/api/v1/nodes', { certificate });
      assert.equal(answer.status, 401);
      assert.deepEqual(JSON.parse(answer.body), unauthorized);
      const refused = await kubelet('/pods', { certificate });
      assert.deepEqual([refused.status, refused.body], [401, 'Unauthorized\n']);
    });
  }

  test('the same with a certificate of the cluster CA succeeds', async () => {
    assert.equal((await bed.call('/api/v1/nodes', { certificate: bed.admin })).status, 200);
    assert.equal((await kubelet('/pods', { certificate: bed.admin })).status, 200);
  });

  test('a wrong certificate is not made good by a right token, nor a wrong token by a right certificate', async () => {
    const foreign = await (await openClusterPki()).cluster.issue(masters);
    const token = await createToken(bed, 'default');
    const byToken = await bed.call('/apis/authentication.k8s.io/v1/selfsubjectreviews', {
      certificate: foreign,
      token,
      method: 'POST',
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
    });
    const { status } = JSON.parse(byToken.body) as { status: { userInfo: { username: string } } };
    assert.equal(status.userInfo.username, 'system:serviceaccount:default:default');
    const both = await bed.call('/api/v1/nodes', { certificate: bed.admin, token: 'wrong' });
    assert.equal(both.status, 200, 'the certificate is asked first, as upstream');
  });

  test('who shows nothing reads health and cluster-info, and nothing else', async () => {
    const info = '/api/v1/namespaces/kube-public/configmaps/cluster-info';
    for (const path of ['/healthz', '/livez', '/readyz', info]) {
      assert.equal((await bed.call(path)).status, 200, path);
    }
    const refused: [string, string][] = [
      ['GET', '/'],
      ['GET', '/api'],
      ['GET', '/version'],
      ['GET', '/metrics'],
      ['GET', '/openapi/v3'],
      ['GET', '/.well-known/openid-configuration'],
      ['GET', '/api/v1/namespaces/kube-public/configmaps'],
      ['GET', '/api/v1/namespaces/kube-public/configmaps/other'],
      ['GET', '/api/v1/namespaces/kube-public/secrets/cluster-info'],
      ['GET', `${info}/status`],
      ['GET', '/healthz/../api/v1/secrets'],
      ['POST', '/api/v1/namespaces/kube-public/configmaps'],
      ['POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews'],
    ];
    for (const [method, path] of refused) {
      const { status } = await bed.call(path, { method, ...(method === 'POST' && { body: {} }) });
      assert.ok(status === 401 || status === 400, `${method} ${path}: ${status}`);
    }
    for (const method of ['PUT', 'PATCH', 'DELETE']) {
      const { status } = await bed.call(info, { method, body: {} });
      assert.ok(status === 401 || status === 403, `${method}: ${status}`);
    }
    assert.equal((await kubelet('/pods')).status, 401);
    assert.equal((await kubelet('/healthz')).status, 401);
  });

  test('a user without the verb is told which right is missing', async () => {
    const certificate = await bed.issue('mallory');
    const cases: [string, string, string][] = [
      [
        'GET',
        '/api/v1/nodes',
        'nodes is forbidden: User "mallory" cannot list resource "nodes" in API group "" at the cluster scope',
      ],
      [
        'GET',
        '/api/v1/namespaces/default/secrets/a',
        'secrets "a" is forbidden: User "mallory" cannot get resource "secrets" in API group "" in the namespace "default"',
      ],
      [
        'DELETE',
        '/apis/apps/v1/namespaces/default/deployments',
        'deployments.apps is forbidden: User "mallory" cannot deletecollection resource "deployments" in API group "apps" in the namespace "default"',
      ],
      ['GET', '/metrics', 'forbidden: User "mallory" cannot get path "/metrics"'],
    ];
    for (const [method, path, message] of cases) {
      const answer = await bed.call(path, { certificate, method });
      assert.deepEqual([answer.status, answer.message], [403, message]);
    }
    const refused = await kubelet('/pods', { certificate });
    const denied = 'Forbidden (user=mallory, verb=get, resource=nodes, subresource(s)=[pods proxy])\n';
    assert.deepEqual([refused.status, refused.body], [403, denied]);
  });

  test('a monitoring account with its three rights reads figures at the kubelet, and runs nothing', async () => {
    const certificate = await bed.issue('monitor');
    await grant(bed, 'monitor', [
      { apiGroups: [''], resources: ['nodes/metrics', 'nodes/stats', 'nodes/pods'], verbs: ['get'] },
    ]);
    for (const path of ['/metrics', '/metrics/resource', '/stats/summary', '/pods']) {
      assert.equal((await kubelet(path, { certificate })).status, 200, path);
    }
    const upgrade = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'x3JJHMbDL1EzLkh9GBhXDw==',
    };
    const denied = 'Forbidden (user=monitor, verb=get, resource=nodes, subresource(s)=[proxy])\n';
    for (const path of [
      '/exec/default/a/c?command=id&output=1',
      '/attach/default/a/c?output=1',
      '/portForward/default/a',
      '/containerLogs/default/a/c',
    ]) {
      const answer = await kubelet(path, { certificate, headers: path.startsWith('/containerLogs') ? {} : upgrade });
      assert.deepEqual([answer.status, answer.body], [403, denied], path);
    }
    for (const path of ['/run/default/a/c?cmd=id', '/exec/default/a/c?command=id&output=1']) {
      assert.equal((await kubelet(path, { certificate, method: 'POST' })).status, 403, path);
    }
  });

  test("a node's own certificate opens no other node's kubelet", async () => {
    const certificate = await bed.issueNode('elsewhere');
    const answer = await kubelet('/pods', { certificate });
    assert.equal(answer.status, 403);
    assert.match(answer.body, /^Forbidden \(user=system:node:elsewhere, verb=get, /);
  });

  test('impersonation needs the right to impersonate each part', async () => {
    const certificate = await bed.issue('helper');
    await grant(bed, 'helper', [
      { apiGroups: [''], resources: ['users'], verbs: ['impersonate'], resourceNames: ['ann'] },
    ]);
    const cases: [Record<string, string>, number, string][] = [
      [{ 'impersonate-user': 'ann' }, 403, 'nodes is forbidden: User "ann" cannot list'],
      [
        { 'impersonate-user': 'bob' },
        403,
        'users "bob" is forbidden: User "helper" cannot impersonate resource "users"',
      ],
      [
        { 'impersonate-user': 'ann', 'impersonate-group': 'system:masters' },
        403,
        'groups "system:masters" is forbidden: User "helper" cannot impersonate',
      ],
      [
        { 'impersonate-user': 'ann', 'impersonate-uid': '1' },
        403,
        'uids.authentication.k8s.io "1" is forbidden: User "helper" cannot impersonate',
      ],
      [
        { 'impersonate-user': 'ann', 'impersonate-extra-scopes': 'all' },
        403,
        'userextras.authentication.k8s.io "all" is forbidden: User "helper"',
      ],
      [
        { 'impersonate-user': 'system:serviceaccount:kube-system:default' },
        403,
        'serviceaccounts "default" is forbidden: User "helper"',
      ],
      [
        { 'impersonate-group': 'system:masters' },
        400,
        'requested to impersonate a group, uid or extra value without impersonating a user',
      ],
      [{ 'impersonate-user': '', 'impersonate-group': 'system:masters' }, 400, 'requested to impersonate'],
    ];
    for (const [headers, code, message] of cases) {
      const answer = await bed.call('/api/v1/nodes', { certificate, headers });
      assert.equal(answer.status, code, JSON.stringify(headers));
      assert.ok(answer.message.startsWith(message), answer.message);
    }
    assert.equal((await bed.call('/api/v1/nodes', { headers: { 'impersonate-user': 'root' } })).status, 401);
  });
});

describe('the front proxy over real sockets', () => {
  let bed: SecurityBed;
  before(async () => {
    bed = await openBed({ controllers: false });
  });
  after(() => bed[Symbol.asyncDispose]());

  const whoAmI = async (call: Call): Promise<unknown> => {
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
    const answer = await bed.call('/apis/authentication.k8s.io/v1/selfsubjectreviews', {
      method: 'POST',
      body,
      ...call,
    });
    if (answer.status !== 201) return answer.status;
    return (JSON.parse(answer.body) as { status: { userInfo: unknown } }).status.userInfo;
  };
  const asRoot = { 'x-remote-user': 'root', 'x-remote-group': 'system:masters' };

  test('its own certificate speaks for others, and is no user itself', async () => {
    const certificate = await bed.pki.frontProxy.issue({ commonName: 'front-proxy-client', usages: ['client'] });
    assert.deepEqual(await whoAmI({ certificate, headers: { 'x-remote-user': 'ann' } }), {
      username: 'ann',
      groups: ['system:authenticated'],
    });
    assert.equal(await whoAmI({ certificate }), 401);
    assert.equal((await bed.call('/api/v1/nodes', { certificate })).status, 401);
  });

  test('its headers mean nothing from anybody else', async () => {
    assert.equal(await whoAmI({ headers: asRoot }), 401, 'nobody');
    const user = await bed.issue('mallory');
    const mallory = { username: 'mallory', groups: ['system:authenticated'] };
    const seen = (await whoAmI({ certificate: user, headers: asRoot })) as typeof mallory;
    assert.deepEqual({ username: seen.username, groups: seen.groups }, mallory, 'a plain user');
    const named = await bed.issue('front-proxy-client');
    const proxy = (await whoAmI({ certificate: named, headers: asRoot })) as typeof mallory;
    assert.equal(proxy.username, 'front-proxy-client', 'the right name, of the cluster CA');
    const wrongName = await bed.pki.frontProxy.issue({ commonName: 'mallory', usages: ['client'] });
    assert.equal(await whoAmI({ certificate: wrongName, headers: asRoot }), 401, 'the right CA, another name');
    const server = await bed.pki.frontProxy.issue({ commonName: 'front-proxy-client', usages: ['server'] });
    assert.equal(await whoAmI({ certificate: server, headers: asRoot }), 401, 'for servers only');
  });

  test('spellings of its headers that a proxy may let through are not believed', async () => {
    const certificate = await bed.issue('mallory');
    for (const name of ['X_Remote_User', 'x-remote_user', 'X-REMOTE-USER', 'Impersonate_User']) {
      const seen = (await whoAmI({ certificate, headers: { [name]: 'root' } })) as { username: string };
      assert.equal(seen.username, 'mallory', name);
    }
  });
});

test('AlwaysAllow takes nobody without credentials, and asking for both is refused', async () => {
  await using bed = await openBed({ controllers: false, apiServer: { authorizationModes: ['AlwaysAllow'] } });
  assert.equal((await bed.call('/api/v1/secrets')).status, 401);
  assert.equal((await bed.call('/api/v1/secrets', { certificate: await bed.issue('anybody') })).status, 200);
  const both = openBed({
    controllers: false,
    apiServer: { authorizationModes: ['AlwaysAllow'], anonymousAuth: true },
  });
  await assert.rejects(both, {
    name: 'ConfigError',
    message: '--anonymous-auth: cannot be on together with --authorization-mode=AlwaysAllow',
  });
});

/** A certificate of `system:masters` that its own key signed, or the key of `issuer`, which is no authority. */
async function forge(issuer?: IssuedCertificate): Promise<IssuedCertificate> {
  const keys = generateKeyPair();
  const certificatePem = await createCertificate({
    subject: root,
    publicKey: keys.publicKey,
    usages: ['digital signature', 'client auth'],
    notBeforeMs: Date.now() - day,
    notAfterMs: Date.now() + day,
    issuer: { keys: issuer ? parsePrivateKey(issuer.privateKeyPem) : keys },
  });
  const chain = issuer ? `${certificatePem}\n${issuer.certificatePem}` : certificatePem;
  return { certificatePem: chain, privateKeyPem: formatPrivateKey(keys.privateKey) };
}
