import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import type { Secret } from '../../src/api/kubernetes/core-v1.ts';
import { createBootstrapTokenSecret, formatBootstrapToken } from '../../src/auth/bootstrap-tokens.ts';
import { secrets } from '../../src/client/resources.ts';
import { createJoinToken } from '../../src/cluster/join-token.ts';
import { createCertificateRequest } from '../../src/pki/certificate-request.ts';
import { signJwt } from '../../src/pki/jwt.ts';
import { formatPublicKey, generateKeyPair } from '../../src/pki/key.ts';
import { toSigningKey } from '../../src/pki/signing-key.ts';
import type { TestNode } from '../../src/testing/create-cluster.ts';
import { type Answer, callHttps, createToken, openBed, type SecurityBed, untilServiceAccount } from './test-bed.ts';

describe('tokens over real sockets', () => {
  let bed: SecurityBed;
  let node: TestNode;
  before(async () => {
    bed = await openBed();
    node = await bed.cluster.addNode({ runtime: 'simulated' });
    await untilServiceAccount(bed.cluster);
  });
  after(() => bed[Symbol.asyncDispose]());

  const api = async (token: string): Promise<number> => (await whoIs(token)).status;
  const whoIs = (token: string): Promise<Answer> =>
    bed.call('/apis/authentication.k8s.io/v1/selfsubjectreviews', { token, method: 'POST', body: {} });
  const kubelet = (token: string): Promise<Answer> =>
    callHttps(`https://127.0.0.1:${node.port}`, '/pods', {
      ca: bed.pki.kubeletServing.certificatePem,
      servername: node.name,
      token,
    });

  async function assertNobody(token: string, what: string): Promise<void> {
    const answer = await whoIs(token);
    assert.deepEqual([answer.status, answer.message], [401, 'Unauthorized'], what);
    const refused = await kubelet(token);
    assert.deepEqual([refused.status, refused.body], [401, 'Unauthorized\n'], `${what}, at the kubelet`);
  }

  test('forged service account tokens are refused, however they are signed', async () => {
    const good = await createToken(bed, 'default');
    assert.equal(await api(good), 201);
    const [header = '', payload = '', signature = ''] = good.split('.');
    const { kid } = JSON.parse(Buffer.from(header, 'base64url').toString()) as { kid: string };
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
    const { serviceAccountKey } = bed.pki;
    const publicPem = formatPublicKey(serviceAccountKey.publicKey);
    const now = Math.floor(Date.now() / 1000);
    const signed = (changes: Record<string, unknown>) => signJwt({ ...claims, ...changes }, serviceAccountKey);
    const stranger = toSigningKey(generateKeyPair());
    const admin = encode({ ...claims, sub: 'system:serviceaccount:kube-system:default' });
    const cases: [string, string][] = [
      ['no signature', `${encode({ alg: 'none', kid })}.${payload}.`],
      ['no signature, in capitals', `${encode({ alg: 'NONE' })}.${payload}.`],
      ['the old signature on other claims', `${header}.${admin}.${signature}`],
      ['an HMAC with the public key', hmac({ alg: 'HS256', kid }, payload, publicPem)],
      ['an HMAC with an empty key', hmac({ alg: 'HS256', kid }, payload, '')],
      ['an unknown key', await signJwt(claims, stranger)],
      ["a stranger's key under the right id", await signJwt(claims, { ...stranger, keyId: kid })],
      ['a key id that is a path', await signJwt(claims, { ...stranger, keyId: '../../../../dev/null' })],
      [
        'a key given in the header',
        `${encode({ alg: 'ES256', jwk: stranger.publicKey.export({ format: 'jwk' }) })}.${payload}.${(await signJwt(claims, stranger)).split('.')[2]}`,
      ],
      ['another issuer', await signed({ iss: 'https://elsewhere' })],
      ['no issuer', await signed({ iss: undefined })],
      ['another audience', await signed({ aud: ['vault'] })],
      ['no audience', await signed({ aud: undefined })],
      ['an end more than a minute ago', await signed({ exp: now - 62 })],
      ['no end', await signed({ exp: undefined })],
      ['a beginning that is to come', await signed({ nbf: now + 120 })],
      [
        'another namespace',
        await signed({ 'kubernetes.io': { namespace: 'kube-system', serviceaccount: { name: 'default', uid: 'x' } } }),
      ],
      ['an account that never was', await signed({ sub: 'system:serviceaccount:default:ghost' })],
      ['a cut signature', good.slice(0, -4)],
      ['two parts', `${header}.${payload}`],
      ['four parts', `${good}.x`],
      ['nothing', ''],
    ];
    for (const [what, token] of cases) {
      assert.notEqual(token, good, what);
      await assertNobody(token, what);
    }
    assert.equal(await api(good), 201, 'the good one is still good');
  });

  test('a token for another service is none here, and its review says for whom it is', async () => {
    const token = await createToken(bed, 'default', { audiences: ['vault'] });
    await assertNobody(token, 'audience vault');
    const review = async (audiences: string[]) => {
      const { status } = (await bed.create('/apis/authentication.k8s.io/v1/tokenreviews', {
        spec: { token, audiences },
      })) as { status?: { authenticated?: boolean; audiences?: string[] } };
      return [status?.authenticated ?? false, status?.audiences];
    };
    assert.deepEqual(await review(['vault', 'other']), [true, ['vault']]);
    assert.deepEqual(await review(['other']), [false, undefined]);
  });

  test('a token ends with the pod and with the account that it is bound to', async () => {
    const pod = await bed.create('/api/v1/namespaces/default/pods', {
      metadata: { name: 'holder' },
      spec: { nodeName: node.name, containers: [{ name: 'c', image: 'x' }] },
    });
    const { name = '', uid = '' } = pod.metadata ?? {};
    const token = await createToken(bed, 'default', { boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid } });
    assert.equal(await api(token), 201);
    assert.equal((await kubelet(token)).status, 403);
    await remove('/api/v1/namespaces/default/pods/holder?gracePeriodSeconds=0');
    assert.equal(await api(token), 401, 'the pod is gone');

    await bed.create('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'leaver' } });
    const leaver = await createToken(bed, 'leaver');
    assert.equal(await api(leaver), 201);
    await remove('/api/v1/namespaces/default/serviceaccounts/leaver');
    assert.equal(await api(leaver), 401, 'the account is gone');
    await bed.create('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'leaver' } });
    assert.equal(await api(leaver), 401, 'another account of the same name');
  });

  test('a token for a pod of another uid, or of another account, is not given', async () => {
    await bed.create('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'other' } });
    await bed.create('/api/v1/namespaces/default/pods', {
      metadata: { name: 'mine' },
      spec: { containers: [{ name: 'c', image: 'x' }] },
    });
    const ask = (account: string, spec: object) =>
      bed.call(`/api/v1/namespaces/default/serviceaccounts/${account}/token`, {
        certificate: bed.admin,
        method: 'POST',
        body: { spec },
      });
    const stale = await ask('default', { boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'mine', uid: 'old' } });
    assert.equal(stale.status, 409, stale.message);
    const foreign = await ask('other', { boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'mine' } });
    assert.ok(
      foreign.status === 400 || foreign.status === 403 || foreign.status === 422,
      `${foreign.status} ${foreign.message}`,
    );
    const missing = await ask('default', { boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'nobody' } });
    assert.equal(missing.status, 404);
    assert.equal((await ask('default', { expirationSeconds: 1 })).status, 422);
  });

  async function remove(path: string): Promise<void> {
    assert.equal((await bed.call(path, { certificate: bed.admin, method: 'DELETE' })).status, 200, path);
  }
});

describe('bootstrap tokens and join strings over real sockets', () => {
  let bed: SecurityBed;
  before(async () => {
    bed = await openBed();
  });
  after(() => bed[Symbol.asyncDispose]());

  const request = async (token: string, node: string, options: { key?: string; signerName?: string } = {}) => {
    const { key, signerName = 'kubernetes.io/kube-apiserver-client-kubelet' } = options;
    const { requestPem, privateKeyPem } = await createCertificateRequest({
      commonName: `system:node:${node}`,
      organizations: ['system:nodes'],
      ...(key !== undefined && { privateKeyPem: key }),
    });
    const answer = await bed.call('/apis/certificates.k8s.io/v1/certificatesigningrequests', {
      token,
      method: 'POST',
      body: {
        metadata: { generateName: 'csr-' },
        spec: {
          request: Buffer.from(requestPem).toString('base64'),
          signerName,
          usages: ['digital signature', 'client auth'],
        },
      },
    });
    return { status: answer.status, message: answer.message, key: privateKeyPem };
  };

  test('an expired, a deleted and a guessed token are refused', async () => {
    const { client } = bed.cluster;
    const old = createBootstrapTokenSecret({ expiresAtMs: Date.now() - 1000 });
    await client.create<Secret>(secrets, old.secret);
    assert.equal((await request(formatBootstrapToken(old.token), 'a')).status, 401, 'expired');
    const { token, secret } = createBootstrapTokenSecret({});
    const text = formatBootstrapToken(token);
    await client.create<Secret>(secrets, secret);
    assert.equal((await request(`${token.id}.0123456789abcdef`, 'a')).status, 401, 'guessed secret');
    assert.equal((await request(text.toUpperCase(), 'a')).status, 401, 'another spelling');
    assert.equal((await request(text, 'a')).status, 201);
    const { namespace = '', name = '' } = secret.metadata ?? {};
    await client.delete(secrets, { namespace, name });
    assert.equal((await request(text, 'a')).status, 401, 'deleted');
  });

  test('a bootstrap token may ask to join, and nothing else', async () => {
    const { token, secret } = createBootstrapTokenSecret({});
    await bed.cluster.client.create<Secret>(secrets, secret);
    const text = formatBootstrapToken(token);
    for (const path of ['/api/v1/nodes', '/api/v1/pods', '/api/v1/namespaces/kube-system/secrets']) {
      assert.equal((await bed.call(path, { token: text })).status, 403, path);
    }
    assert.equal(
      (await bed.call('/api/v1/nodes', { token: text, method: 'POST', body: { metadata: { name: 'x' } } })).status,
      403,
    );
  });

  test('a join string is for the first node and key that use it: that node may repeat, others are told who it was', async () => {
    const { server } = bed.cluster;
    const { token } = await createJoinToken(bed.cluster.client, { server, caPin: bed.pki.cluster.pin });
    const serving = await request(token, 'first', { signerName: 'kubernetes.io/kubelet-serving' });
    assert.deepEqual([serving.status, /can only request certificates from/.test(serving.message)], [403, true]);
    const first = await request(token, 'first');
    assert.equal(first.status, 201);
    assert.equal((await request(token, 'first', { key: first.key })).status, 201, 'repeated');
    const used = 'this join string was already used by node "first"';
    const remedy = '; create a new one with "fairlead token create"';
    const other = await request(token, 'second');
    assert.equal(other.status, 403);
    assert.ok(other.message.endsWith(`${used}${remedy}`), other.message);
    const sameKey = await request(token, 'second', { key: first.key });
    assert.ok(sameKey.status === 403 && sameKey.message.endsWith(`${used}${remedy}`), sameKey.message);
    const otherKey = await request(token, 'first');
    assert.ok(
      otherKey.status === 403 && otherKey.message.endsWith(`${used} with another key${remedy}`),
      otherKey.message,
    );
  });

  test('two nodes that use one join string at the same time: one of them wins', async () => {
    const { server } = bed.cluster;
    const { token } = await createJoinToken(bed.cluster.client, { server, caPin: bed.pki.cluster.pin });
    const answers = await Promise.all(Array.from({ length: 8 }, (_, index) => request(token, `racer-${index}`)));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 403, 403, 403, 403, 403, 403, 403]);
  });

  test('an expired join string is refused', async () => {
    const { server } = bed.cluster;
    const expiresAtMs = Date.now() - 1;
    const { token } = await createJoinToken(bed.cluster.client, { server, caPin: bed.pki.cluster.pin, expiresAtMs });
    assert.equal((await request(token, 'late')).status, 401);
  });
});

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function hmac(header: object, payload: string, key: string): string {
  const input = `${encode(header)}.${payload}`;
  return `${input}.${createHmac('sha256', key).update(input).digest('base64url')}`;
}
