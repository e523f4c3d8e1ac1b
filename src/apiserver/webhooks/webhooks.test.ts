import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { configMap, configMaps } from '../server-suite.ts';
import { openWebhookBed, type WebhookBed } from './webhook-bed-suite.ts';
import { jsonPatch, startWebhook } from './webhook-server-suite.ts';

let bed: WebhookBed;
before(async () => {
  bed = await openWebhookBed();
});
after(() => bed[Symbol.asyncDispose]());

test('a webhook is asked what upstream asks, and its refusal is passed on', async () => {
  await using webhook = await startWebhook(() => ({
    allowed: false,
    status: { code: 409, reason: 'Conflict', message: 'no' },
  }));
  await using _hook = await bed.configure('Validating', { webhook, path: '/judge' });
  const { status, json } = await bed.create('refused', { data: { a: '1' } }, '?fieldManager=me');
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
  await bed.create('watched', { data: { a: '1' } });
  await using _hook = await bed.configure('Validating', { webhook });
  const path = `${configMaps}/watched`;
  await bed.server.request({ method: 'PUT', path, body: configMap('watched', { data: { a: '2' } }) });
  await bed.remove('watched');
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
  await using _hook = await bed.configure('Validating', { webhook, rules });
  const path = '/api/v1/namespaces/default/pods/web-0/exec?command=ls&stdout=true';
  const { status, json } = await bed.server.request({ method: 'POST', path });
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
  await using _hook = await bed.configure(
    'Mutating',
    { webhook, name: 'a.hooks.example', path: '/a' },
    { webhook, name: 'b.hooks.example', path: '/b' },
  );
  assert.deepEqual((await bed.create('chained')).json.data, { a: '0', b: '1' });
  await bed.remove('chained');
});

test('a webhook is asked again only when it wants that and a later one has changed the object', async () => {
  await using webhook = await startWebhook(({ path, request }) => {
    const has = request.operation === 'DELETE' || request.object.data?.[path[1] ?? ''] !== undefined;
    if (has) return { allowed: true };
    return jsonPatch([{ op: 'add', path: '/data', value: { ...request.object.data, [path[1] ?? '']: 'x' } }]);
  });
  await using _hook = await bed.configure(
    'Mutating',
    { webhook, name: 'a.hooks.example', path: '/a', reinvocationPolicy: 'IfNeeded' },
    { webhook, name: 'b.hooks.example', path: '/b' },
    { webhook, name: 'c.hooks.example', path: '/c', reinvocationPolicy: 'IfNeeded' },
  );
  assert.equal((await bed.create('again')).status, 201);
  const calls = webhook.asked.filter(({ request }) => request.operation === 'CREATE').map(({ path }) => path[1]);
  assert.deepEqual(calls, ['a', 'b', 'c', 'a']);
  await bed.remove('again');
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
    await using _hook = await bed.configure('Mutating', { webhook, path: '/uid' });
    const { status, json } = await bed.create('own-uid');
    assert.equal(status, 201);
    assert.notEqual(json.metadata.uid, 'mine');
    assert.equal(json.metadata.namespace, 'default');
  }
  await using _hook = await bed.configure('Mutating', { webhook, path: '/label' });
  const { status, json } = await bed.create('bad-label');
  assert.equal(status, 422);
  assert.match(json.message, /metadata\.labels: Invalid value/);
});

test('a patch of a deletion, and one that does not apply, are errors whatever the failure policy', async () => {
  await bed.create('patched-away');
  await using webhook = await startWebhook(() => jsonPatch([{ op: 'remove', path: '/data/none' }]));
  await using _hook = await bed.configure('Mutating', { webhook, failurePolicy: 'Ignore' });
  const deleted = await bed.remove('patched-away');
  assert.equal(deleted.status, 500);
  assert.match(deleted.json.message, /attempted to modify the object, which is not supported for this operation/);
  assert.equal((await bed.create('unpatched')).status, 500);
});

test('a dry run reaches only webhooks without side effects on it', async () => {
  await using webhook = await startWebhook(() => ({ allowed: true }));
  {
    await using _hook = await bed.configure('Validating', { webhook, sideEffects: 'NoneOnDryRun' });
    assert.equal((await bed.create('dry', {}, '?dryRun=All')).status, 201);
  }
  assert.equal(webhook.asked[0]?.request.dryRun, true);
  assert.deepEqual(webhook.asked[0]?.request.options.dryRun, ['All']);
});

test('warnings become headers', async () => {
  await using webhook = await startWebhook(() => ({ allowed: true, warnings: ['careful', 'really'] }));
  await using _hook = await bed.configure('Validating', { webhook });
  const { headers } = await bed.create('warned');
  assert.deepEqual([headers['warning']].flat().join(), '299 - "careful", 299 - "really"');
  await bed.remove('warned');
});

test('selectors of namespaces and of objects narrow what is asked about', async () => {
  await using webhook = await startWebhook(() => ({ allowed: false }));
  await using _hook = await bed.configure('Validating', {
    webhook,
    objectSelector: { matchLabels: { guarded: 'yes' } },
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'default' } },
  });
  assert.equal((await bed.create('free')).status, 201);
  const guarded = { metadata: { name: 'guarded', labels: { guarded: 'yes' } } };
  const refused = await bed.create('guarded', guarded);
  assert.equal(refused.json.message, 'admission webhook "test.hooks.example" denied the request without explanation');
  assert.equal(refused.status, 400);
  const path = '/api/v1/namespaces/kube-system/configmaps';
  assert.equal((await bed.server.request({ method: 'POST', path, body: configMap('guarded', guarded) })).status, 201);
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
    await using _hook = await bed.configure('Validating', { webhook, rules, matchPolicy: 'Exact' });
    assert.equal((await bed.server.request({ method: 'POST', path, body: body('exact') })).status, 201);
    assert.equal(webhook.asked.length, 0);
  }
  await using _hook = await bed.configure('Validating', { webhook, rules });
  assert.equal((await bed.server.request({ method: 'POST', path, body: body('same') })).status, 201);
  const { kind, requestKind, object } = webhook.asked[0]?.request ?? {};
  assert.equal(kind.version, 'v1');
  assert.equal(requestKind.version, 'v2');
  assert.equal(object.apiVersion, 'autoscaling/v1');
  assert.equal(object.spec.targetCPUUtilizationPercentage, 50);
});

test('webhook configurations themselves are never asked about', async () => {
  await using webhook = await startWebhook(() => ({ allowed: false }));
  const rules = [{ apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*/*'] }];
  const hook = await bed.configure('Validating', { webhook, rules });
  assert.equal((await bed.create('locked')).status, 400);
  await hook[Symbol.asyncDispose]();
  assert.equal((await bed.create('unlocked')).status, 201);
});

test('connections are kept, and few', async () => {
  await using webhook = await startWebhook(() => ({ allowed: true }));
  await using _hook = await bed.configure('Validating', { webhook });
  for (let i = 0; i < 5; i++) assert.equal((await bed.create(`kept-${i}`)).status, 201);
  assert.equal(webhook.connections, 1);
});

test('what other plugins add to a pod is added once, however often they run', async () => {
  await using webhook = await startWebhook(() =>
    jsonPatch([{ op: 'add', path: '/metadata/labels', value: { a: 'b' } }]),
  );
  const namespaced = '/api/v1/namespaces/default';
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } };
  await bed.server.request({ method: 'POST', path: `${namespaced}/serviceaccounts`, body: account });
  const rules = [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }];
  await using _hook = await bed.configure('Mutating', { webhook, rules });
  const { status, json } = await bed.server.request({
    method: 'POST',
    path: `${namespaced}/pods`,
    body: { metadata: { name: 'web' }, spec: { containers: [{ name: 'web', image: 'web' }] } },
  });
  assert.equal(status, 201, JSON.stringify(json));
  const { volumes, containers, tolerations } = json.spec;
  assert.deepEqual([volumes.length, containers[0].volumeMounts.length, tolerations.length], [1, 1, 2]);
  assert.deepEqual(json.metadata.labels, { a: 'b' });
});
