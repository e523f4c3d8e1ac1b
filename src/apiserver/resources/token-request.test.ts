import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonKubeObject, JsonObject, KubeObject } from '../../api/object.ts';
import type { ObjectKey, ObjectSource } from '../../auth/object-source.ts';
import { ServiceAccountTokens } from '../../auth/service-account-tokens.ts';
import { generateKeyPair } from '../../pki/key.ts';
import { toSigningKey } from '../../pki/signing-key.ts';
import type { RequestContext } from '../exchange.ts';
import { type TokenRequestHandlerOptions, tokenRequestHandler } from './token-request.ts';

const nowMs = 1_800_000_000_000;
const issuer = 'https://issuer.example';
const stored: Record<string, KubeObject> = {
  'serviceaccounts/prod/app': { metadata: { uid: 'sa-uid' } },
  'pods/prod/app-0': {
    metadata: { uid: 'pod-uid' },
    spec: { serviceAccountName: 'app', nodeName: 'n1' },
  } as KubeObject,
  'pods/prod/lost': {
    metadata: { uid: 'pod-uid' },
    spec: { serviceAccountName: 'app', nodeName: 'gone' },
  } as KubeObject,
  'pods/prod/other': { metadata: { uid: 'pod-uid' }, spec: { serviceAccountName: 'default' } } as KubeObject,
  'secrets/prod/s': { metadata: { uid: 'secret-uid' } },
  'nodes//n1': { metadata: { uid: 'node-uid' } },
};
const objects: ObjectSource = {
  get: <T extends KubeObject>(resource: string, { namespace, name }: ObjectKey) =>
    stored[`${resource}/${namespace}/${name}`] as T | undefined, // the test knows what it stored
  list: () => [],
  subscribe: () => ({ [Symbol.dispose]() {} }),
};

async function request(
  spec: JsonObject,
  options: { metadata?: JsonObject; name?: string; handler?: Partial<TokenRequestHandlerOptions> } = {},
) {
  const signingKey = toSigningKey(generateKeyPair());
  const clock = { now: () => nowMs, delay: () => Promise.resolve() };
  const tokens = new ServiceAccountTokens({ issuers: [issuer], signingKey, clock });
  const warnings: string[] = [];
  const annotations: [string, string][] = [];
  const context = {
    info: { namespace: 'prod', name: options.name ?? 'app' },
    warn: (message: string) => warnings.push(message),
    annotate: (key: string, value: string) => annotations.push([key, value]),
  } as unknown as RequestContext; // nothing else of it is used
  const object: JsonKubeObject = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    metadata: options.metadata ?? {},
    spec,
  };
  const answer = await tokenRequestHandler({ tokens, objects, ...options.handler })(object, context);
  const status = answer['status'] as { token: string; expirationTimestamp: string }; // what the handler promises
  return { answer, status, claims: await tokens.verify(status.token), warnings, annotations };
}

const podRef = (name: string, uid?: string): JsonObject => ({
  boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, ...(uid !== undefined && { uid }) },
});

test('a token is for one hour and for the API server unless something else is asked for', async () => {
  const { answer, status, claims, annotations } = await request({});
  assert.deepEqual(answer['spec'], { audiences: [issuer], expirationSeconds: 3600 });
  assert.deepEqual(answer.metadata, { name: 'app', namespace: 'prod', creationTimestamp: '2027-01-15T08:00:00Z' });
  assert.equal(status.expirationTimestamp, '2027-01-15T09:00:00Z');
  assert.deepEqual(claims.serviceAccount, { name: 'app', uid: 'sa-uid' });
  assert.deepEqual([claims.audiences, claims.expiresAt], [[issuer], nowMs / 1000 + 3600]);
  assert.deepEqual(annotations, [['authentication.kubernetes.io/issued-credential-id', `JTI=${claims.id}`]]);
});

test('a token can be bound to a pod, a secret or a node', async () => {
  const { claims: forPod } = await request(podRef('app-0', 'pod-uid'));
  assert.deepEqual(
    [forPod.pod, forPod.node],
    [
      { name: 'app-0', uid: 'pod-uid' },
      { name: 'n1', uid: 'node-uid' },
    ],
  );
  assert.deepEqual((await request(podRef('lost'))).claims.node, { name: 'gone', uid: '' });
  const { claims: forSecret } = await request({ boundObjectRef: { apiVersion: 'v1', kind: 'Secret', name: 's' } });
  assert.deepEqual(forSecret.secret, { name: 's', uid: 'secret-uid' });
  const { claims: forNode } = await request({ boundObjectRef: { apiVersion: 'v1', kind: 'Node', name: 'n1' } });
  assert.deepEqual([forNode.node, forNode.pod], [{ name: 'n1', uid: 'node-uid' }, undefined]);
});

test('requests that cannot be granted are refused as upstream refuses them', async (t) => {
  const cases: [string, () => Promise<unknown>, { code: number; message: RegExp }][] = [
    [
      'too short',
      () => request({ expirationSeconds: 599 }),
      {
        code: 422,
        message: /spec\.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes/,
      },
    ],
    [
      'too long',
      () => request({ expirationSeconds: 2 ** 32 + 1 }),
      { code: 422, message: /larger than 2\^32 seconds/ },
    ],
    [
      'another name',
      () => request({}, { metadata: { name: 'x' } }),
      { code: 422, message: /metadata\.name: Invalid value: "x": must match the service account name if specified/ },
    ],
    [
      'another namespace',
      () => request({}, { metadata: { namespace: 'x' } }),
      { code: 422, message: /must match the service account namespace/ },
    ],
    [
      'another uid',
      () => request({}, { metadata: { uid: 'x' } }),
      { code: 409, message: /does not match the UID of the service account/ },
    ],
    [
      'no account',
      () => request({}, { name: 'nobody' }),
      { code: 404, message: /^serviceaccounts "nobody" not found$/ },
    ],
    [
      'pod of another account',
      () => request(podRef('other')),
      {
        code: 400,
        message: /^cannot bind token for serviceaccount "app" to pod running with different serviceaccount name\.$/,
      },
    ],
    ['no pod', () => request(podRef('none')), { code: 404, message: /^pods "none" not found$/ }],
    [
      'pod made again',
      () => request(podRef('app-0', 'old')),
      { code: 409, message: /does not match the UID in record/ },
    ],
    [
      'another kind',
      () => request({ boundObjectRef: { apiVersion: 'v1', kind: 'ConfigMap', name: 'x' } }),
      { code: 400, message: /^cannot bind token to object of type v1, Kind=ConfigMap$/ },
    ],
    [
      'an inherited property as kind',
      () => request({ boundObjectRef: { apiVersion: 'v1', kind: 'constructor', name: 'x' } }),
      { code: 400, message: /cannot bind/ },
    ],
  ];
  for (const [name, ask, expected] of cases) {
    await t.test(name, () => assert.rejects(ask(), { name: 'ApiError', ...expected }));
  }
});

test('a limit shortens with a warning', async () => {
  const { claims, status, warnings } = await request(
    { expirationSeconds: 86_400 },
    { handler: { maxExpirationSeconds: 7200 } },
  );
  assert.equal(claims.expiresAt, nowMs / 1000 + 7200);
  assert.equal(status.expirationTimestamp, '2027-01-15T10:00:00Z');
  assert.deepEqual(warnings, ['requested expiration of 86400 seconds shortened to 7200 seconds']);
});

test('mounted tokens live as long as they say; a year only where that is switched on', async () => {
  const spec = { expirationSeconds: 3607, ...podRef('app-0') };
  assert.equal((await request(spec)).claims.expiresAt, nowMs / 1000 + 3607);
  const handler = { extendExpiration: true };
  const { claims, status } = await request(spec, { handler });
  assert.deepEqual([claims.expiresAt, claims.warnAfter], [nowMs / 1000 + 31_536_000, nowMs / 1000 + 3607]);
  assert.equal(status.expirationTimestamp, '2027-01-15T09:00:07Z');
  for (const other of [
    { expirationSeconds: 3607 },
    { ...spec, expirationSeconds: 3600 },
    { ...spec, audiences: ['vault'] },
  ]) {
    assert.equal((await request(other, { handler })).claims.warnAfter, undefined);
  }
});
