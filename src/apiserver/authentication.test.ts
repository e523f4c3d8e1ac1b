import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:http2';
import { request } from 'node:https';
import { test } from 'node:test';
import { silentLogger } from '../lib/log.ts';
import { openClusterPki } from '../pki/authority.ts';
import type { IssuedCertificate } from '../pki/certificate-authority.ts';
import { ensureClientCertificate, ensureServingCertificate } from '../pki/control-plane-certificates.ts';
import { openMemoryStore } from '../storage/memory/memory-store.ts';
import { listenApi } from './listen.ts';

const pki = await openClusterPki();
const whoAmI = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
const review = JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' });

type RequestHeaders = Record<string, string | string[]>;
interface Answer {
  readonly status: number;
  readonly body: string;
}

/** A running API server and two ways to ask it. */
async function openServer() {
  await using parts = new AsyncDisposableStack();
  const serving = await ensureServingCertificate(pki, { advertiseAddress: '127.0.0.1' });
  const store = parts.use(await openMemoryStore());
  const api = parts.use(
    await listenApi(
      {
        host: '127.0.0.1',
        port: 0,
        serving: { current: () => ({ certificatePem: serving.certificatePem, keyPem: serving.privateKeyPem }) },
        clientCaPem: pki.cluster.certificatePem,
        frontProxy: {
          clientCaPem: pki.frontProxy.certificatePem,
          allowedNames: ['front-proxy-client'],
          usernameHeaders: ['X-Remote-User'],
          uidHeaders: ['X-Remote-Uid'],
          groupHeaders: ['X-Remote-Group'],
          extraHeaderPrefixes: ['X-Remote-Extra-'],
        },
        serviceAccounts: { issuers: ['https://issuer.example'], signingKeyPem: pki.serviceAccountKey.privateKeyPem },
        kubelet: { certificateAuthorityPem: pki.kubeletServing.certificatePem },
      },
      { store, log: silentLogger },
    ),
  );
  await api.ready;
  const owned = parts.move();
  const tls = (certificate: IssuedCertificate | undefined) => ({
    ca: pki.cluster.certificatePem,
    ...(certificate && { cert: certificate.certificatePem, key: certificate.privateKeyPem }),
  });
  return {
    async http1(
      path: string,
      certificate?: IssuedCertificate,
      headers: RequestHeaders = {},
      body?: string,
    ): Promise<Answer> {
      const method = body === undefined ? 'GET' : 'POST';
      const call = request(api.url + path, { ...tls(certificate), agent: false, method, headers });
      call.end(body);
      const [response] = await once(call, 'response');
      return { status: response.statusCode, body: Buffer.concat(await response.toArray()).toString() };
    },
    async http2(path: string, certificate: IssuedCertificate, headers: RequestHeaders, body: string): Promise<Answer> {
      const session = connect(api.url, tls(certificate));
      const stream = session.request({ ':path': path, ':method': 'POST', ...headers });
      stream.end(body);
      const [head] = await once(stream, 'response');
      const bytes = Buffer.concat(await stream.toArray());
      session.close();
      return { status: head[':status'], body: bytes.toString() };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function identityOf({ status, body }: Answer) {
  assert.equal(status, 201, body);
  return JSON.parse(body).status.userInfo;
}

test('without credentials there is health and cluster-info, and nothing else', async () => {
  await using server = await openServer();
  for (const path of ['/healthz', '/livez', '/readyz']) assert.equal((await server.http1(path)).status, 200, path);
  const clusterInfo = await server.http1('/api/v1/namespaces/kube-public/configmaps/cluster-info');
  assert.notEqual(clusterInfo.status, 401);
  for (const path of ['/version', '/api', '/livez/etcd', '/metrics', '/api/v1/namespaces/kube-public/configmaps']) {
    const { status, body } = await server.http1(path);
    assert.equal(status, 401, path);
    assert.deepEqual(JSON.parse(body), {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: 'Unauthorized',
      reason: 'Unauthorized',
      code: 401,
    });
  }
});

test('repeated identity headers are as many values over HTTP/1.1 and HTTP/2, and believed from the front proxy alone', async () => {
  await using server = await openServer();
  const proxy = await pki.frontProxy.issue({ commonName: 'front-proxy-client', usages: ['client'] });
  const impostor = await pki.cluster.issue({ commonName: 'front-proxy-client', usages: ['client'] });
  const headers = {
    'content-type': 'application/json',
    'x-remote-user': 'bob',
    'x-remote-group': ['a, system:masters', 'c'],
  };
  const bob = { username: 'bob', groups: ['a, system:masters', 'c', 'system:authenticated'] };
  assert.deepEqual(identityOf(await server.http1(whoAmI, proxy, headers, review)), bob);
  assert.deepEqual(identityOf(await server.http2(whoAmI, proxy, headers, review)), bob);
  for (const answer of [
    await server.http1(whoAmI, impostor, headers, review),
    await server.http2(whoAmI, impostor, headers, review),
  ]) {
    const { username, groups } = identityOf(answer);
    assert.deepEqual({ username, groups }, { username: 'front-proxy-client', groups: ['system:authenticated'] });
  }
  assert.equal((await server.http1(whoAmI, undefined, headers, review)).status, 401);
});

test('who may impersonate becomes another, who may not is refused', async () => {
  await using server = await openServer();
  const admin = await ensureClientCertificate(pki, 'admin');
  const alice = await pki.cluster.issue({ commonName: 'alice', usages: ['client'] });
  const headers = { 'content-type': 'application/json', 'impersonate-user': 'bob', 'impersonate-group': ['x, y', 'z'] };
  const bob = { username: 'bob', groups: ['x, y', 'z', 'system:authenticated'] };
  assert.deepEqual(identityOf(await server.http1(whoAmI, admin, headers, review)), bob);
  assert.deepEqual(identityOf(await server.http2(whoAmI, admin, headers, review)), bob);
  const { status, body } = await server.http1(whoAmI, alice, headers, review);
  assert.equal(status, 403);
  assert.equal(
    JSON.parse(body).message,
    'users "bob" is forbidden: User "alice" cannot impersonate resource "users" in API group "" at the cluster scope',
  );
});
