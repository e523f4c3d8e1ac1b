import assert from 'node:assert/strict';
import { createHmac, sign } from 'node:crypto';
import { test } from 'node:test';
import type { KubeObject } from '../../api/object.ts';
import { formatTime } from '../../lib/clock.ts';
import { formatPublicKey, generateKeyPair } from '../../pki/key.ts';
import { toSigningKey } from '../../pki/signing-key.ts';
import type { Authentication } from '../authenticator.ts';
import type { ObjectKey, ObjectSource } from '../object-source.ts';
import { type NewServiceAccountToken, ServiceAccountTokens } from '../service-account-tokens.ts';
import { serviceAccountAuthenticator } from './service-account.ts';

const issuer = 'https://kubernetes.default.svc.cluster.local';
const signingKey = toSigningKey(generateKeyPair());

/** A world with the account, its pod, secret and node, and a clock. */
function makeWorld() {
  let nowMs = 1_800_000_000_000;
  const clock = { now: () => nowMs, delay: () => Promise.resolve() };
  const objects = new Map<string, KubeObject>();
  const put = (resource: string, namespace: string, name: string, metadata: KubeObject['metadata'] = {}) =>
    objects.set(`${resource}/${namespace}/${name}`, { metadata: { name, uid: `${resource}-uid`, ...metadata } });
  put('serviceaccounts', 'prod', 'app');
  put('pods', 'prod', 'app-0');
  put('secrets', 'prod', 'app-token');
  put('nodes', '', 'n1');
  const source: ObjectSource = {
    get: <T extends KubeObject>(resource: string, { namespace, name }: ObjectKey) =>
      objects.get(`${resource}/${namespace}/${name}`) as T | undefined, // the test puts in what it takes out
    list: () => [],
    subscribe: () => ({ [Symbol.dispose]() {} }),
  };
  const tokens = new ServiceAccountTokens({ issuers: [issuer, 'https://old.example'], signingKey, clock });
  let refresh = (): unknown => undefined;
  const refreshObjects = async () => void refresh();
  const authenticator = serviceAccountAuthenticator({ tokens, objects: source, refreshObjects, clock });
  return {
    tokens,
    put,
    remove: (resource: string, namespace: string, name: string) => objects.delete(`${resource}/${namespace}/${name}`),
    advance: (ms: number) => {
      nowMs += ms;
    },
    now: () => nowMs,
    onRefresh: (listener: () => unknown) => {
      refresh = listener;
    },
    issue: async (options: Partial<NewServiceAccountToken> = {}) =>
      (await tokens.issue({ ...subject, ...options })).token,
    ask: async (token: string, audiences: readonly string[] = [issuer]): Promise<Authentication> =>
      authenticator.authenticateToken(token, audiences),
  };
}

const subject: NewServiceAccountToken = {
  namespace: 'prod',
  serviceAccount: { name: 'app', uid: 'serviceaccounts-uid' },
  audiences: [issuer],
  lifetimeSeconds: 3600,
};
const pod = { name: 'app-0', uid: 'pods-uid' };
const secret = { name: 'app-token', uid: 'secrets-uid' };
const node = { name: 'n1', uid: 'nodes-uid' };

const refusal = (result: Authentication) =>
  result.outcome === 'rejected' ? result.error.message : assert.fail(result.outcome);

test('a bound token is its account, with pod and node told', async () => {
  const world = makeWorld();
  const result = await world.ask(await world.issue({ pod, node }));
  assert.ok(result.outcome === 'authenticated');
  const { 'authentication.kubernetes.io/credential-id': id, ...extra } = result.user.extra;
  assert.match(id?.[0] ?? '', /^JTI=[0-9a-f-]{36}$/);
  assert.deepEqual(
    { ...result.user, extra },
    {
      username: 'system:serviceaccount:prod:app',
      uid: 'serviceaccounts-uid',
      groups: ['system:serviceaccounts', 'system:serviceaccounts:prod', 'system:authenticated'],
      extra: {
        'authentication.kubernetes.io/node-name': ['n1'],
        'authentication.kubernetes.io/node-uid': ['nodes-uid'],
        'authentication.kubernetes.io/pod-name': ['app-0'],
        'authentication.kubernetes.io/pod-uid': ['pods-uid'],
      },
    },
  );
  assert.deepEqual(result.audiences, [issuer]);
});

test('the second use of a token is answered at once', async () => {
  const world = makeWorld();
  const token = await world.issue();
  await world.ask(token);
  const authenticator = world.tokens.remembered(token);
  assert.equal(authenticator?.serviceAccount.name, 'app');
});

test('a payload has upstream’s claims', async () => {
  const world = makeWorld();
  const token = await world.issue({ pod, node: { name: 'gone', uid: '' }, warnAfterSeconds: 60 });
  const [header = '', payload = ''] = token.split('.').map((part) => Buffer.from(part, 'base64url').toString());
  assert.equal(header, JSON.stringify({ alg: 'ES256', kid: signingKey.keyId }));
  const { jti, ...claims } = JSON.parse(payload);
  const now = world.now() / 1000;
  assert.match(jti, /^[0-9a-f-]{36}$/);
  assert.deepEqual(claims, {
    aud: [issuer],
    exp: now + 3600,
    iat: now,
    nbf: now,
    iss: issuer,
    sub: 'system:serviceaccount:prod:app',
    'kubernetes.io': {
      namespace: 'prod',
      serviceaccount: { name: 'app', uid: 'serviceaccounts-uid' },
      pod,
      node: { name: 'gone' },
      warnafter: now + 60,
    },
  });
});

test('a token ends with its time, with a minute of leeway', async () => {
  const world = makeWorld();
  const token = await world.issue();
  world.advance(3600_000 + 59_000);
  assert.equal((await world.ask(token)).outcome, 'authenticated');
  world.advance(2_000);
  assert.equal(refusal(await world.ask(token)), 'service account token has expired');
  assert.equal(refusal(await makeWorldAt(world.now()).ask(token)), 'service account token has expired');
});

function makeWorldAt(ms: number) {
  const world = makeWorld();
  world.advance(ms - world.now());
  return world;
}

test('a token of the future is refused', async () => {
  const world = makeWorld();
  const token = await world.issue();
  world.advance(-61_000);
  assert.equal(refusal(await world.ask(token)), 'service account token is not valid yet');
});

test('a token is for its audiences alone', async () => {
  const world = makeWorld();
  const vault = await world.issue({ audiences: ['vault'] });
  assert.match(refusal(await world.ask(vault)), /is invalid for the target audiences/);
  const result = await world.ask(vault, ['x', 'vault']);
  assert.deepEqual(result.outcome === 'authenticated' && result.audiences, ['vault']);
  // the remembered token is judged anew for each audience
  assert.match(refusal(await world.ask(vault)), /is invalid for the target audiences/);
});

test('a token ends at once with what it is bound to', async (t) => {
  const cases: [string, Partial<NewServiceAccountToken>, (world: ReturnType<typeof makeWorld>) => void, RegExp][] = [
    [
      'account deleted',
      {},
      (w) => w.remove('serviceaccounts', 'prod', 'app'),
      /^service account prod\/app has been deleted$/,
    ],
    [
      'account made again',
      {},
      (w) => w.put('serviceaccounts', 'prod', 'app', { uid: 'new' }),
      /service account UID \(new\) does not match/,
    ],
    ['pod deleted', { pod, node }, (w) => w.remove('pods', 'prod', 'app-0'), /has been invalidated/],
    [
      'pod made again',
      { pod },
      (w) => w.put('pods', 'prod', 'app-0', { uid: 'new' }),
      /pod UID \(new\) does not match/,
    ],
    ['secret deleted', { secret }, (w) => w.remove('secrets', 'prod', 'app-token'), /has been invalidated/],
    ['node deleted', { node }, (w) => w.remove('nodes', '', 'n1'), /has been invalidated/],
    [
      'pod deleted a minute ago',
      { pod },
      (w) => w.put('pods', 'prod', 'app-0', { deletionTimestamp: formatTime(w.now() - 61_000) }),
      /has been invalidated/,
    ],
  ];
  for (const [name, binding, change, message] of cases) {
    await t.test(name, async () => {
      const world = makeWorld();
      const token = await world.issue(binding);
      assert.equal((await world.ask(token)).outcome, 'authenticated');
      change(world);
      assert.match(refusal(await world.ask(token)), message);
    });
  }
});

test('what is not there is looked for once more before a token is refused', async () => {
  const world = makeWorld();
  const token = await world.issue();
  world.remove('serviceaccounts', 'prod', 'app');
  world.onRefresh(() => world.put('serviceaccounts', 'prod', 'app'));
  assert.equal((await world.ask(token)).outcome, 'authenticated');
  world.remove('serviceaccounts', 'prod', 'app');
  world.onRefresh(() => assert.fail('the store is away'));
  assert.match(refusal(await world.ask(token)), /has been deleted/);
});

test('a pod on its way out still counts, and the node beside a pod is not judged', async () => {
  const world = makeWorld();
  const token = await world.issue({ pod, node });
  world.put('pods', 'prod', 'app-0', { deletionTimestamp: formatTime(world.now() + 30_000) });
  world.remove('nodes', '', 'n1');
  assert.equal((await world.ask(token)).outcome, 'authenticated');
});

test('forged tokens are refused', async (t) => {
  const world = makeWorld();
  const good = await world.issue();
  const [, payload = ''] = good.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const { keyId, publicKey } = signingKey;
  const hmac = (secretKey: string | Buffer, header: object) => {
    const text = `${encode(header)}.${payload}`;
    return `${text}.${createHmac('sha256', secretKey).update(text).digest('base64url')}`;
  };
  const stranger = generateKeyPair();
  const signed = (header: object, body: string, key = stranger.privateKey) => {
    const text = `${encode(header)}.${body}`;
    return `${text}.${sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  };
  const ours = (body: unknown) => signed({ alg: 'ES256', kid: keyId }, encode(body), signingKey.privateKey);
  const cases: [string, string, RegExp][] = [
    ['no signature', `${encode({ alg: 'none', kid: keyId })}.${payload}.`, /invalid signature/],
    ['no signature, no key id', `${encode({ alg: 'none' })}.${payload}.`, /invalid signature/],
    ['HMAC with the public key', hmac(formatPublicKey(publicKey), { alg: 'HS256', kid: keyId }), /invalid signature/],
    [
      'HMAC with its DER',
      hmac(publicKey.export({ type: 'spki', format: 'der' }), { alg: 'HS256' }),
      /invalid signature/,
    ],
    ['another key under our id', signed({ alg: 'ES256', kid: keyId }, payload), /invalid signature/],
    ['an unknown key id', signed({ alg: 'ES256', kid: 'other' }, payload), /invalid signature, no keys found/],
    [
      'a key brought along',
      signed({ alg: 'ES256', jwk: stranger.publicKey.export({ format: 'jwk' }) }, payload),
      /invalid signature/,
    ],
    ['another algorithm', signed({ alg: 'RS256', kid: keyId }, payload, signingKey.privateKey), /invalid signature/],
    ['changed claims', good.replace(payload, encode({ ...claims, exp: claims.exp + 1 })), /invalid signature/],
    [
      'a critical extension',
      signed({ alg: 'ES256', kid: keyId, crit: ['x'], x: 1 }, payload, signingKey.privateKey),
      /invalid signature/,
    ],
    ['no expiry', ours({ ...claims, exp: undefined }), /claim exp must be a number/],
    [
      'an account other than the subject',
      ours({ ...claims, sub: 'system:serviceaccount:kube-system:admin' }),
      /subject of the token/,
    ],
    [
      'a pod without name',
      ours({ ...claims, 'kubernetes.io': { ...claims['kubernetes.io'], pod: {} } }),
      /claim pod.name must be a string/,
    ],
    [
      'a pod without uid',
      ours({ ...claims, 'kubernetes.io': { ...claims['kubernetes.io'], pod: { name: 'app-0' } } }),
      /pod UID/,
    ],
    [
      'no account uid',
      ours({ ...claims, 'kubernetes.io': { namespace: 'prod', serviceaccount: { name: 'app' } } }),
      /with its uid/,
    ],
  ];
  for (const [name, token, message] of cases) {
    await t.test(name, async () => {
      const error = refusal(await world.ask(token));
      assert.match(error, message);
      assert.ok(!error.includes(token.slice(-20)));
    });
  }
});

test('a token of another issuer is left to others; an older issuer of ours still counts', async () => {
  const world = makeWorld();
  const tokensOf = (name: string) =>
    new ServiceAccountTokens({
      issuers: [name],
      signingKey,
      clock: { now: world.now, delay: () => Promise.resolve() },
    });
  const foreign = await tokensOf('https://elsewhere.example').issue(subject);
  assert.equal((await world.ask(foreign.token)).outcome, 'none');
  const old = await tokensOf('https://old.example').issue(subject);
  assert.equal((await world.ask(old.token)).outcome, 'authenticated');
  for (const nonsense of ['', 'a.b', 'a.b.c', '...', `a.${Buffer.from('[]').toString('base64url')}.c`]) {
    assert.equal((await world.ask(nonsense)).outcome, 'none');
  }
});
