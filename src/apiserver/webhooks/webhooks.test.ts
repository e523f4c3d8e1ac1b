import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { dialDirect } from '../../egress/direct.ts';
import { openClusterPki } from '../../pki/authority.ts';
import { configMap, configMaps, openTestServer, type TestAnswer, type TestServer } from '../server-suite.ts';
import { jsonPatch, startWebhook, type TestWebhook } from './webhook-server-suite.ts';

let server: TestServer;
before(async () => {
  server = await openTestServer({}, undefined, { dial: dialDirect });
});
after(() => server[Symbol.asyncDispose]());

interface HookInit {
  readonly webhook: Pick<TestWebhook, 'url' | 'caBundle'>;
  readonly name?: string;
  readonly path?: string;
  readonly [field: string]: unknown;
}

function hookOf({ webhook, name = 'test.hooks.example', path = '/', ...rest }: HookInit): object {
  return {
    name,
    clientConfig: { url: `${webhook.url}${path}`, caBundle: webhook.caBundle },
    rules: [
      { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE', 'DELETE'], resources: ['configmaps'] },
    ],
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
    timeoutSeconds: 5,
    ...rest,
  };
}

/** In place until disposed. */
async function configure(kind: 'Mutating' | 'Validating', ...hooks: HookInit[]): Promise<AsyncDisposable> {
  const path = `/apis/admissionregistration.k8s.io/v1/${kind.toLowerCase()}webhookconfigurations`;
  const body = {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: `${kind}WebhookConfiguration`,
    metadata: { name: 'under-test' },
    webhooks: hooks.map(hookOf),
  };
  const created = await server.request({ method: 'POST', path, body });
  assert.equal(created.status, 201, created.bytes.toString());
  return {
    async [Symbol.asyncDispose]() {
      await server.request({ method: 'DELETE', path: `${path}/under-test` });
    },
  };
}

const create = (name: string, rest: object = {}, query = ''): Promise<TestAnswer> =>
  server.request({ method: 'POST', path: configMaps + query, body: configMap(name, rest) });
const remove = (name: string): Promise<TestAnswer> =>
  server.request({ method: 'DELETE', path: `${configMaps}/${name}` });

test('a webhook is asked what upstream asks, and its refusal is passed on', async () => {
  await using webhook = await startWebhook(() => ({
    allowed: false,
    status: { code: 409, reason: 'Conflict', message: 'no' },
  }));
  await using _hook = await configure('Validating', { webhook, path: '/judge' });
  const { status, json } = await create('refused', { data: { a: '1' } }, '?fieldManager=me');
  assert.equal(status, 409);
  assert.equal(json.reason, 'Conflict');
  assert.equal(json.message, 'admission webhook "test.hooks.example" denied the request: no');
  const [{ path, request } = { path: '', request: undefined }] = webhook.asked;
  assert.equal(path, '/judge?timeout=5s');
  const { uid, object, userInfo, ...rest } = request;
  assert.match(uid, /^[0-9a-f-]{36}$/);
  assert.deepEqual(rest, {
    kind: { group: '', version: 'v1', kind: 'ConfigMap' },
    resource: { group: '', version: 'v1', resource: 'configmaps' },
    requestKind: { group: '', version: 'v1', kind: 'ConfigMap' },
    requestResource: { group: '', version: 'v1', resource: 'configmaps' },
    name: 'refused',
    namespace: 'default',
    operation: 'CREATE',
    oldObject: null,
    dryRun: false,
    options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1', fieldManager: 'me' },
  });
  assert.equal(userInfo.username, 'kubernetes-admin');
  assert.deepEqual(userInfo.groups, ['system:masters', 'system:authenticated']);
  assert.deepEqual(object.data, { a: '1' });
  assert.equal(object.metadata.namespace, 'default');
});

test('updates and deletions come with the old object', async () => {
  await using webhook = await startWebhook(() => ({ allowed: true }));
  await create('watched', { data: { a: '1' } });
  await using _hook = await configure('Validating', { webhook });
  const path = `${configMaps}/watched`;
  await server.request({ method: 'PUT', path, body: configMap('watched', { data: { a: '2' } }) });
  await remove('watched');
  const [updated, deleted] = webhook.asked.map(({ request }) => request);
  assert.equal(updated.operation, 'UPDATE');
  assert.deepEqual([updated.object.data, updated.oldObject.data], [{ a: '2' }, { a: '1' }]);
  assert.equal(updated.options.kind, 'UpdateOptions');
  assert.equal(deleted.operation, 'DELETE');
  assert.equal(deleted.object, null);
  assert.deepEqual(deleted.oldObject.data, { a: '2' });
  assert.equal(deleted.options.kind, 'DeleteOptions');
});

test('connections to pods are asked about, with their options', async () => {
  await using webhook = await startWebhook(() => ({ allowed: false, status: { message: 'no shells' } }));
  const rules = [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CONNECT'], resources: ['pods/exec'] }];
  await using _hook = await configure('Validating', { webhook, rules });
  const path = '/api/v1/namespaces/default/pods/web-0/exec?command=ls&stdout=true';
  const { status, json } = await server.request({ method: 'POST', path });
  assert.equal(json.message, 'admission webhook "test.hooks.example" denied the request: no shells');
  assert.equal(status, 400);
  const { kind, subResource, name, object, operation } = webhook.asked[0]?.request ?? {};
  assert.deepEqual(kind, { group: '', version: 'v1', kind: 'PodExecOptions' });
  assert.deepEqual([subResource, name, operation], ['exec', 'web-0', 'CONNECT']);
  assert.deepEqual(object.command, ['ls']);
});

test('mutating webhooks work one after the other on what the one before has left', async () => {
  await using webhook = await startWebhook(({ path, request }) => {
    const { data = {} } = request.object ?? {};
    if (request.operation === 'DELETE') return { allowed: true };
    return jsonPatch([
      { op: 'add', path: '/data', value: { ...data, [path[1] ?? '']: String(Object.keys(data).length) } },
    ]);
  });
  await using _hook = await configure(
    'Mutating',
    { webhook, name: 'a.hooks.example', path: '/a' },
    { webhook, name: 'b.hooks.example', path: '/b' },
  );
  assert.deepEqual((await create('chained')).json.data, { a: '0', b: '1' });
  await remove('chained');
});

test('a webhook is asked again only when it wants that and a later one has changed the object', async () => {
  await using webhook = await startWebhook(({ path, request }) => {
    const has = request.operation === 'DELETE' || request.object.data?.[path[1] ?? ''] !== undefined;
    if (has) return { allowed: true };
    return jsonPatch([{ op: 'add', path: '/data', value: { ...request.object.data, [path[1] ?? '']: 'x' } }]);
  });
  await using _hook = await configure(
    'Mutating',
    { webhook, name: 'a.hooks.example', path: '/a', reinvocationPolicy: 'IfNeeded' },
    { webhook, name: 'b.hooks.example', path: '/b' },
    { webhook, name: 'c.hooks.example', path: '/c', reinvocationPolicy: 'IfNeeded' },
  );
  assert.equal((await create('again')).status, 201);
  const calls = webhook.asked.filter(({ request }) => request.operation === 'CREATE').map(({ path }) => path[1]);
  assert.deepEqual(calls, ['a', 'b', 'c', 'a']);
  await remove('again');
});

test('a patch cannot change what the server says, and what it makes is validated', async () => {
  await using webhook = await startWebhook(({ path }) =>
    path.startsWith('/uid')
      ? jsonPatch([
          { op: 'replace', path: '/metadata/uid', value: 'mine' },
          { op: 'replace', path: '/metadata/namespace', value: 'kube-system' },
        ])
      : jsonPatch([{ op: 'add', path: '/metadata/labels', value: { '-bad-': 'x' } }]),
  );
  {
    await using _hook = await configure('Mutating', { webhook, path: '/uid' });
    const { status, json } = await create('own-uid');
    assert.equal(status, 201);
    assert.notEqual(json.metadata.uid, 'mine');
    assert.equal(json.metadata.namespace, 'default');
  }
  await using _hook = await configure('Mutating', { webhook, path: '/label' });
  const { status, json } = await create('bad-label');
  assert.equal(status, 422);
  assert.match(json.message, /metadata\.labels: Invalid value/);
});

test('a patch of a deletion, and one that does not apply, are errors whatever the failure policy', async () => {
  await create('patched-away');
  await using webhook = await startWebhook(() => jsonPatch([{ op: 'remove', path: '/data/none' }]));
  await using _hook = await configure('Mutating', { webhook, failurePolicy: 'Ignore' });
  const deleted = await remove('patched-away');
  assert.equal(deleted.status, 500);
  assert.match(deleted.json.message, /attempted to modify the object, which is not supported for this operation/);
  assert.equal((await create('unpatched')).status, 500);
});

test('a dry run reaches only webhooks without side effects on it', async () => {
  await using webhook = await startWebhook(() => ({ allowed: true }));
  {
    await using _hook = await configure('Validating', { webhook, sideEffects: 'NoneOnDryRun' });
    assert.equal((await create('dry', {}, '?dryRun=All')).status, 201);
  }
  assert.equal(webhook.asked[0]?.request.dryRun, true);
  assert.deepEqual(webhook.asked[0]?.request.options.dryRun, ['All']);
});

test('warnings become headers', async () => {
  await using webhook = await startWebhook(() => ({ allowed: true, warnings: ['careful', 'really'] }));
  await using _hook = await configure('Validating', { webhook });
  const { headers } = await create('warned');
  assert.deepEqual([headers['warning']].flat().join(), '299 - "careful", 299 - "really"');
  await remove('warned');
});

test('selectors of namespaces and of objects narrow what is asked about', async () => {
  await using webhook = await startWebhook(() => ({ allowed: false }));
  await using _hook = await configure('Validating', {
    webhook,
    objectSelector: { matchLabels: { guarded: 'yes' } },
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'default' } },
  });
  assert.equal((await create('free')).status, 201);
  const guarded = { metadata: { name: 'guarded', labels: { guarded: 'yes' } } };
  const refused = await create('guarded', guarded);
  assert.equal(refused.json.message, 'admission webhook "test.hooks.example" denied the request without explanation');
  assert.equal(refused.status, 400);
  const path = '/api/v1/namespaces/kube-system/configmaps';
  assert.equal((await server.request({ method: 'POST', path, body: configMap('guarded', guarded) })).status, 201);
});

test('an equivalent version is shown in the version that the webhook knows', async () => {
  await using webhook = await startWebhook(() => ({ allowed: true }));
  const rules = [{ apiGroups: ['autoscaling'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['*'] }];
  const path = '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers';
  const body = (name: string) => ({
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
      maxReplicas: 3,
      metrics: [
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } },
      ],
    },
  });
  {
    await using _hook = await configure('Validating', { webhook, rules, matchPolicy: 'Exact' });
    assert.equal((await server.request({ method: 'POST', path, body: body('exact') })).status, 201);
    assert.equal(webhook.asked.length, 0);
  }
  await using _hook = await configure('Validating', { webhook, rules });
  assert.equal((await server.request({ method: 'POST', path, body: body('same') })).status, 201);
  const { kind, requestKind, object } = webhook.asked[0]?.request ?? {};
  assert.equal(kind.version, 'v1');
  assert.equal(requestKind.version, 'v2');
  assert.equal(object.apiVersion, 'autoscaling/v1');
  assert.equal(object.spec.targetCPUUtilizationPercentage, 50);
});

test('webhook configurations themselves are never asked about', async () => {
  await using webhook = await startWebhook(() => ({ allowed: false }));
  const rules = [{ apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*/*'] }];
  const hook = await configure('Validating', { webhook, rules });
  assert.equal((await create('locked')).status, 400);
  await hook[Symbol.asyncDispose]();
  assert.equal((await create('unlocked')).status, 201);
});

test('what fails names the hop; the policy says whether it matters', async (t) => {
  await using webhook = await startWebhook(({ path }) => (response) => {
    if (path.startsWith('/redirect')) response.writeHead(302, { location: webhook.url }).end();
    else if (path.startsWith('/broken')) response.end('nonsense');
    else if (path.startsWith('/error')) response.writeHead(500).end('secret');
    else if (path.startsWith('/foreign'))
      response.end('{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"x"}}');
    else if (path.startsWith('/cut')) response.destroy();
    else if (!path.startsWith('/silent')) response.end('{}');
  });
  const closed = 'https://127.0.0.1:1';
  const { cluster } = await openClusterPki();
  const other = { url: webhook.url, caBundle: Buffer.from(cluster.certificatePem).toString('base64') };
  const named = { url: webhook.url.replace('127.0.0.1', 'localhost'), caBundle: webhook.caBundle };
  const cases: [name: string, hook: HookInit, message: RegExp][] = [
    [
      'nobody listens',
      { webhook: { ...webhook, url: closed } },
      /dial tcp 127\.0\.0\.1:1: .*ECONNREFUSED.* \(server 127\.0\.0\.1:1 at 127\.0\.0\.1:1/,
    ],
    [
      'another authority',
      { webhook: other },
      /tls: failed to verify certificate: x509: certificate signed by unknown authority: the caBundle does not cover it \(server /,
    ],
    [
      'another name',
      { webhook: named },
      /x509: certificate is valid for hook\.default\.svc, 127\.0\.0\.1, not localhost \(server localhost/,
    ],
    ['no bundle', { webhook: { url: webhook.url, caBundle: '' } }, /unknown authority: there is no caBundle/],
    ['a redirect', { webhook, path: '/redirect' }, /answered with a redirect \(302\), which is not followed/],
    ['no JSON', { webhook, path: '/broken' }, /could not read the answer as JSON/],
    ['an error', { webhook, path: '/error' }, /an error on the server \(status 500\) has prevented/],
    [
      'an answer to another question',
      { webhook, path: '/foreign' },
      /received invalid webhook response: expected response\.uid="[-0-9a-f]+", got "x"/,
    ],
    [
      'no review',
      { webhook, path: '/' },
      /expected webhook response of admission\.k8s\.io\/v1, Kind=AdmissionReview, got , Kind=/,
    ],
    ['an end', { webhook, path: '/cut' }, /socket hang up \(server /],
    [
      'silence',
      { webhook, path: '/silent', timeoutSeconds: 1 },
      /context deadline exceeded \(awaiting the answer of server /,
    ],
    [
      'no such Service',
      { webhook, clientConfig: { service: { namespace: 'default', name: 'none' } } },
      /Post "https:\/\/none\.default\.svc\/\?timeout=5s": services "none" not found/,
    ],
  ];
  for (const [name, hook, message] of cases) {
    await t.test(name, async () => {
      {
        await using _hook = await configure('Validating', hook);
        const { status, json } = await create('unasked');
        assert.equal(status, 500);
        assert.equal(json.reason, 'InternalError');
        assert.match(json.message, /^Internal error occurred: failed calling webhook "test\.hooks\.example": /);
        assert.match(json.message, message);
        assert.doesNotMatch(json.message, /secret/);
      }
      await using _hook = await configure('Validating', { ...hook, failurePolicy: 'Ignore' });
      assert.equal((await create('unasked')).status, 201);
      await using _gone = await configure('Mutating'); // nothing in it
      await server.request({ method: 'DELETE', path: `${configMaps}/unasked` });
    });
  }
});

test('connections are kept, and few', async () => {
  await using webhook = await startWebhook(() => ({ allowed: true }));
  await using _hook = await configure('Validating', { webhook });
  for (let i = 0; i < 5; i++) assert.equal((await create(`kept-${i}`)).status, 201);
  assert.equal(webhook.connections, 1);
});

test('metrics are upstream’s', async () => {
  const text = (await server.request({ path: '/metrics' })).bytes.toString();
  assert.match(
    text,
    /^apiserver_admission_webhook_request_total\{name="test\.hooks\.example",type="validating",operation="CREATE",code="200",rejected="false"\} \d+$/m,
  );
  assert.match(
    text,
    /^apiserver_admission_webhook_rejection_count\{.*error_type="calling_webhook_error",rejection_code="500"\} \d+$/m,
  );
  assert.match(
    text,
    /^apiserver_admission_webhook_fail_open_count\{name="test\.hooks\.example",type="validating"\} \d+$/m,
  );
  assert.match(text, /^apiserver_admission_webhook_admission_duration_seconds_count\{/m);
});

test('configurations that could not work are refused', async () => {
  const path = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
  const webhook = { url: 'https://127.0.0.1:1', caBundle: '' };
  const cases: [fields: Record<string, unknown>, message: RegExp][] = [
    [
      { name: 'short' },
      /webhooks\[0\]\.name: Invalid value: "short": should be a domain with at least three segments separated by dots/,
    ],
    [
      { sideEffects: 'Some' },
      /webhooks\[0\]\.sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"/,
    ],
    [{ timeoutSeconds: 31 }, /the timeout value must be between 1 and 30 seconds/],
    [{ admissionReviewVersions: ['v9'] }, /must include at least one of v1, v1beta1/],
    [{ clientConfig: { url: 'http://x/' } }, /'https' is the only allowed URL scheme/],
    [{ clientConfig: {} }, /exactly one of url or service is required/],
    [
      { rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['READ'], resources: ['pods'] }] },
      /operations\[0\]: Unsupported value: "READ"/,
    ],
    [
      { matchConditions: [{ name: 'x', expression: 'true' }] },
      /webhooks\[0\]\.matchConditions: Forbidden: this server does not evaluate CEL/,
    ],
  ];
  for (const [fields, message] of cases) {
    const body = {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingWebhookConfiguration',
      metadata: { name: 'wrong' },
      webhooks: [hookOf({ webhook, ...fields })],
    };
    const { status, json } = await server.request({ method: 'POST', path, body });
    assert.equal(status, 422, JSON.stringify(json));
    assert.match(json.message, message);
  }
});
