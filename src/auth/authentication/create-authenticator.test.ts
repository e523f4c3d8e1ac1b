import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { openClusterPki } from '../../pki/authority.ts';
import type { CertificateAuthority, IssueOptions } from '../../pki/certificate-authority.ts';
import type { Authentication, Credentials } from '../authenticator.ts';
import { defaultAnonymousPaths } from './anonymous.ts';
import { createAuthenticator } from './create-authenticator.ts';

const pki = await openClusterPki();
const day = 86_400_000;
let nowMs = Date.now();
const clock = { now: () => nowMs, delay: () => Promise.resolve() };
const clientAuthorities = [pki.cluster.certificate];
const proxyAuthorities = [pki.frontProxy.certificate];

const authenticator = createAuthenticator({
  clientAuthorities: () => clientAuthorities,
  requestHeader: { authorities: () => proxyAuthorities, allowedNames: ['front-proxy-client'] },
  loopbackToken: 'loopback-secret',
  staticTokens: [{ token: 'static-secret', user: { username: 'robot', uid: '7', groups: ['bots'], extra: {} } }],
  anonymousPaths: defaultAnonymousPaths,
  apiAudiences: ['api'],
  clock,
});

/** A connection that showed this certificate; only what is read of it is there. */
async function connection(authority: CertificateAuthority, options: Partial<IssueOptions> = {}): Promise<TLSSocket> {
  const issued = await authority.issue({ commonName: 'alice', usages: ['client'], ...options });
  const leaf = new X509Certificate(issued.certificatePem);
  return { getPeerCertificate: () => ({ raw: leaf.raw }) } as unknown as TLSSocket;
}

const noCertificate = { getPeerCertificate: () => ({}) } as unknown as TLSSocket;

async function ask(credentials: Partial<Credentials>): Promise<Authentication> {
  return authenticator.authenticate({ headers: {}, socket: noCertificate, path: '/api/v1/pods', ...credentials });
}

function userOf(result: Authentication) {
  assert.equal(result.outcome, 'authenticated');
  return result.outcome === 'authenticated' ? result.user : assert.fail();
}

function refusal(result: Authentication): string {
  return result.outcome === 'rejected' ? result.error.message : assert.fail(result.outcome);
}

test('a client certificate gives name, groups and credential id', async () => {
  const socket = await connection(pki.cluster, { organizations: ['dev', 'ops'] });
  const user = userOf(await ask({ socket }));
  assert.equal(user.username, 'alice');
  assert.deepEqual(user.groups, ['dev', 'ops', 'system:authenticated']);
  const [credential] = user.extra['authentication.kubernetes.io/credential-id'] ?? [];
  assert.match(credential ?? '', /^X509SHA256=[0-9a-f]{64}$/);
});

test('wrong certificates are refused, also where anonymous access is allowed', async (t) => {
  const cases: [string, () => Promise<TLSSocket>, RegExp][] = [
    ['of another cluster', async () => connection((await openClusterPki()).cluster), /unknown authority/],
    ['of the kubelet-serving authority', () => connection(pki.kubeletServing), /unknown authority/],
    ['for servers only', () => connection(pki.cluster, { usages: ['server'] }), /may not be used as a client/],
    [
      'of the front proxy, as a user',
      () => connection(pki.frontProxy, { commonName: 'front-proxy-client' }),
      /unknown authority/,
    ],
    ['without a name', () => connection(pki.cluster, { commonName: '' }), /unknown authority/],
  ];
  for (const [name, connect, message] of cases) {
    await t.test(name, async () => {
      const socket = await connect();
      for (const path of ['/api/v1/pods', '/healthz']) assert.match(refusal(await ask({ socket, path })), message);
    });
  }
});

test('a certificate that ends on a live connection stops counting', async () => {
  const socket = await connection(pki.cluster, { lifetimeMs: 1000 });
  userOf(await ask({ socket }));
  const before = nowMs;
  nowMs += 2000;
  assert.match(refusal(await ask({ socket })), /has expired/);
  nowMs = before - day;
  assert.match(refusal(await ask({ socket: await connection(pki.cluster) })), /is not valid before|unknown/);
  nowMs = before;
});

test('a certificate is verified once per connection, and again when the authorities change', async () => {
  let reads = 0;
  let authorities = [pki.cluster.certificate];
  const socket = await connection(pki.cluster);
  const counted = {
    getPeerCertificate: () => {
      reads += 1;
      return socket.getPeerCertificate(true);
    },
  } as unknown as TLSSocket;
  const chain = createAuthenticator({ clientAuthorities: () => authorities });
  const request = { headers: {}, socket: counted, path: '/' };
  for (let round = 0; round < 3; round++) userOf(await chain.authenticate(request));
  assert.equal(reads, 1);
  authorities = [pki.frontProxy.certificate];
  assert.match(refusal(await chain.authenticate(request)), /unknown authority/);
});

test('a front proxy names the user, and only with its own certificate and an allowed name', async (t) => {
  const headers = {
    'x-remote-user': 'bob',
    'x-remote-uid': '42',
    'x-remote-group': ['a, b', 'c'],
    'x-remote-extra-acme.com%2fproject': 'one',
    'x-remote-extra-__proto__': 'x',
  };
  await t.test('the proxy itself', async () => {
    const socket = await connection(pki.frontProxy, { commonName: 'front-proxy-client' });
    const result = await ask({ socket, headers });
    const user = userOf(result);
    assert.deepEqual([user.username, user.uid, user.groups], ['bob', '42', ['a, b', 'c', 'system:authenticated']]);
    assert.deepEqual(user.extra['acme.com/project'], ['one']);
    assert.equal(Object.getPrototypeOf(user.extra), Object.prototype);
    const consumed = result.outcome === 'authenticated' ? (result.consumedHeaders ?? []) : [];
    for (const name of Object.keys(headers)) assert.ok(consumed.includes(name), name);
  });
  await t.test('a proxy with another name', async () => {
    const socket = await connection(pki.frontProxy, { commonName: 'other' });
    assert.match(refusal(await ask({ socket, headers })), /not in the allowed list/);
  });
  await t.test('a proxy certificate for servers', async () => {
    const socket = await connection(pki.frontProxy, { commonName: 'front-proxy-client', usages: ['server'] });
    refusal(await ask({ socket, headers }));
  });
  await t.test('a user', async () => {
    const result = await ask({ socket: await connection(pki.cluster), headers });
    assert.equal(userOf(result).username, 'alice');
    assert.ok(result.outcome === 'authenticated' && result.consumedHeaders?.includes('x-remote-user'));
  });
  await t.test('a user who is called like the proxy', async () => {
    const socket = await connection(pki.cluster, { commonName: 'front-proxy-client' });
    assert.equal(userOf(await ask({ socket, headers })).username, 'front-proxy-client');
  });
  await t.test('nobody', async () => {
    assert.equal((await ask({ headers })).outcome, 'none');
    assert.equal(userOf(await ask({ headers, path: '/healthz' })).username, 'system:anonymous');
  });
});

test('bearer tokens are read as upstream reads them', async (t) => {
  const cases: [string, string, string | undefined][] = [
    ['plain', 'Bearer static-secret', 'robot'],
    ['any case', 'bEARER static-secret', 'robot'],
    ['more behind it', 'Bearer static-secret and more', 'robot'],
    ['loopback', 'Bearer loopback-secret', 'system:apiserver'],
    ['two spaces', 'Bearer  static-secret', undefined],
    ['another scheme', 'Basic static-secret', undefined],
  ];
  for (const [name, authorization, expected] of cases) {
    await t.test(name, async () => {
      const result = await ask({ headers: { authorization } });
      if (expected === undefined) assert.equal(result.outcome, 'none');
      else assert.equal(userOf(result).username, expected);
    });
  }
});

test('an unknown token is refused, never anonymous, and is in no message', async () => {
  for (const token of ['static-secret2', 'static-secre', 'x'.repeat(100_000), 'a.b.c', 'abcdef.0123456789abcdef']) {
    const message = refusal(await ask({ headers: { authorization: `Bearer ${token}` }, path: '/healthz' }));
    assert.equal(message, 'invalid bearer token');
  }
});

test('a good token makes up for a bad certificate', async () => {
  const socket = await connection(pki.kubeletServing);
  const headers = { authorization: 'Bearer static-secret' };
  assert.equal(userOf(await ask({ socket, headers })).username, 'robot');
  assert.match(
    refusal(await ask({ socket, headers: { authorization: 'Bearer wrong' } })),
    /unknown authority.*invalid bearer token/,
  );
});

test('a static token is for the API server alone', async () => {
  const headers = { authorization: 'Bearer static-secret' };
  assert.equal((await ask({ headers, audiences: ['api', 'x'] })).outcome, 'authenticated');
  refusal(await ask({ headers, audiences: ['vault'] }));
});

test('a browser sends its token as a subprotocol, which goes no further', async (t) => {
  const token = `base64url.bearer.authorization.k8s.io.${Buffer.from('static-secret').toString('base64url')}`;
  const upgrade = { connection: 'keep-alive, Upgrade', upgrade: 'websocket' };
  const withProtocols = (protocols: string) => ({ ...upgrade, 'sec-websocket-protocol': protocols });
  await t.test('beside another', async () => {
    const result = await ask({ headers: withProtocols(`v5.channel.k8s.io, ${token}, v4.channel.k8s.io`) });
    assert.equal(userOf(result).username, 'robot');
    assert.ok(result.outcome === 'authenticated');
    assert.deepEqual(result.rewrittenHeaders, { 'sec-websocket-protocol': 'v5.channel.k8s.io, v4.channel.k8s.io' });
  });
  const wrong: [string, string, RegExp][] = [
    ['alone', token, /missing additional subprotocol/],
    ['twice', `${token}, ${token}, v5.channel.k8s.io`, /multiple/],
    ['badly encoded', `${token}==, v5.channel.k8s.io`, /encoding/],
    ['unknown', 'base64url.bearer.authorization.k8s.io.eHh4, v5.channel.k8s.io', /^invalid bearer token$/],
  ];
  for (const [name, protocols, message] of wrong) {
    await t.test(name, async () => assert.match(refusal(await ask({ headers: withProtocols(protocols) })), message));
  }
  await t.test('without an upgrade it is no credential', async () => {
    assert.equal((await ask({ headers: { 'sec-websocket-protocol': `${token}, v5.channel.k8s.io` } })).outcome, 'none');
  });
});

test('anonymous is for health and cluster-info, by exact path', async () => {
  const info = '/api/v1/namespaces/kube-public/configmaps/cluster-info';
  for (const path of ['/healthz', '/livez', '/readyz', info]) {
    assert.deepEqual(userOf(await ask({ path })).groups, ['system:unauthenticated']);
  }
  for (const path of ['/healthz/', '/livez/etcd', '/api', '/metrics', `${info}/x`, '/']) {
    assert.equal((await ask({ path })).outcome, 'none', path);
  }
});

test('one authority for users and front proxies is refused unless proxies are named', () => {
  const options = (allowedNames: string[]) => ({
    clientAuthorities: () => clientAuthorities,
    requestHeader: { authorities: () => [...proxyAuthorities, ...clientAuthorities], allowedNames },
  });
  assert.throws(() => createAuthenticator(options([])), { name: 'ConfigError', message: /share a certificate/ });
  createAuthenticator(options(['front-proxy-client']));
});
