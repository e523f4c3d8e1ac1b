import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Secret } from '../api/kubernetes/core-v1.ts';
import type { KubeObject } from '../api/object.ts';
import { bootstrapTokenAuthenticator } from './authentication/bootstrap-token.ts';
import {
  type BootstrapTokenId,
  createBootstrapTokenSecret,
  formatBootstrapToken,
  type NewBootstrapToken,
  parseBootstrapToken,
  parseBootstrapTokenSecret,
} from './bootstrap-tokens.ts';
import type { ObjectSource } from './object-source.ts';

const nowMs = 1_800_000_000_000;
const token: BootstrapTokenId = { id: 'abcdef', secret: '0123456789abcdef' };

/** What an authenticator says of `presented` where this Secret is all there is. */
function ask(secret: Secret | undefined, presented = formatBootstrapToken(token), audiences: string[] = ['api']) {
  const objects: ObjectSource = {
    get: <T extends KubeObject>(resource: string, key: { namespace: string; name: string }) =>
      (resource === 'secrets' && key.namespace === 'kube-system' && key.name === `bootstrap-token-${token.id}`
        ? secret
        : undefined) as T | undefined, // the only thing in it is a Secret
    list: () => [],
    subscribe: () => ({ [Symbol.dispose]() {} }),
  };
  const clock = { now: () => nowMs, delay: () => Promise.resolve() };
  return bootstrapTokenAuthenticator({ objects, apiAudiences: ['api'], clock }).authenticateToken(presented, audiences);
}

const make = (options: NewBootstrapToken = {}) => createBootstrapTokenSecret({ token, ...options }).secret;

/** The Secret with some data keys set anew; `undefined` takes one away. */
function withData(changes: Record<string, string | undefined>): Secret {
  const secret = make();
  const entries = Object.entries({ ...secret.data, ...mapValues(changes) }).filter(([, value]) => value !== undefined);
  return { ...secret, data: Object.fromEntries(entries) as Record<string, string> }; // undefined ones are gone
}

const mapValues = (values: Record<string, string | undefined>) =>
  Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, value && Buffer.from(value).toString('base64')]),
  );

test('a token that is made is read back', () => {
  const { token: made, secret } = createBootstrapTokenSecret({
    expiresAtMs: nowMs,
    description: 'for web',
    oneTime: true,
  });
  assert.match(formatBootstrapToken(made), /^[a-z0-9]{6}\.[a-z0-9]{16}$/);
  assert.deepEqual(parseBootstrapTokenSecret(secret), {
    ...made,
    description: 'for web',
    expiresAtMs: nowMs,
    forAuthentication: true,
    forSigning: true,
    extraGroups: ['system:bootstrappers:kubeadm:default-node-token'],
    oneTime: true,
    boundNode: undefined,
    boundKey: undefined,
  });
  assert.throws(() => createBootstrapTokenSecret({ extraGroups: ['system:masters'] }), { name: 'RangeError' });
});

test('a good token is a bootstrap user', () => {
  const result = ask(
    make({ expiresAtMs: nowMs + 1000, extraGroups: ['system:bootstrappers:b', 'system:bootstrappers:a'] }),
  );
  assert.deepEqual(result, {
    outcome: 'authenticated',
    user: {
      username: 'system:bootstrap:abcdef',
      uid: '',
      groups: ['system:bootstrappers', 'system:bootstrappers:a', 'system:bootstrappers:b', 'system:authenticated'],
      extra: {},
    },
    audiences: ['api'],
  });
});

test('everything that is wrong with a token looks the same', async (t) => {
  const good = make();
  const cases: [string, Secret | undefined, string?, string[]?][] = [
    ['no such token', undefined],
    ['another secret', good, 'abcdef.0123456789abcdee'],
    ['upper case', good, 'ABCDEF.0123456789ABCDEF'],
    ['something before', good, ' abcdef.0123456789abcdef'],
    ['something behind', good, 'abcdef.0123456789abcdef\n'],
    ['another audience', good, undefined, ['vault']],
    ['expired', make({ expiresAtMs: nowMs - 1000 })],
    ['expired this moment', make({ expiresAtMs: nowMs })],
    ['an expiry that cannot be read', withData({ expiration: 'tomorrow' })],
    ['an expiry without zone', withData({ expiration: '2999-01-01T00:00:00' })],
    ['not for authentication', make({ forAuthentication: false })],
    ['a usage that is not quite true', withData({ 'usage-bootstrap-authentication': 'True' })],
    ['a group outside', withData({ 'auth-extra-groups': 'system:bootstrappers:a,system:masters' })],
    ['a group that ends in a dash', withData({ 'auth-extra-groups': 'system:bootstrappers:a-' })],
    ['an id that is not its name’s', withData({ 'token-id': 'ghijkl' })],
    ['no secret', withData({ 'token-secret': undefined })],
    ['an empty secret', withData({ 'token-secret': '' }), 'abcdef.'],
    ['another type', { ...good, type: 'Opaque' }],
    ['on its way out', { ...good, metadata: { ...good.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } }],
  ];
  for (const [name, secret, presented, audiences] of cases) {
    await t.test(name, () => assert.deepEqual(ask(secret, presented, audiences), { outcome: 'none' }));
  }
});

test('only six and sixteen lower-case letters and digits are a token', () => {
  assert.deepEqual(parseBootstrapToken('abcdef.0123456789abcdef'), token);
  for (const text of [
    '',
    'abcdef',
    'abcde.0123456789abcdef',
    'abcdef.0123456789abcdefg',
    'abcdeF.0123456789abcdef',
    'abcdef.0123456789abcdef\n',
  ]) {
    assert.equal(parseBootstrapToken(text), undefined);
  }
});
