import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scheme } from '../../api/scheme.ts';
import { MemoryObjects } from '../../auth/memory-objects.ts';
import { dialDirect } from '../../egress/direct.ts';
import { silentLogger } from '../../lib/log.ts';
import { Metrics } from '../../lib/metrics.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission/admission.ts';
import { runAdmission } from '../admission/run-admission.ts';
import { openWebhooks } from './open-webhooks.ts';
import { jsonPatch, startWebhook, type TestWebhook } from './webhook-server-suite.ts';

function configured(webhook: TestWebhook, ...hooks: { name: string; [field: string]: unknown }[]) {
  const objects = new MemoryObjects();
  objects.set('mutatingwebhookconfigurations.admissionregistration.k8s.io', {
    metadata: { name: 'under-test' },
    webhooks: hooks.map((fields) => ({
      clientConfig: { url: `${webhook.url}/${fields.name}`, caBundle: webhook.caBundle },
      rules: [{ apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*/*'] }],
      sideEffects: 'None',
      admissionReviewVersions: ['v1'],
      ...fields,
    })),
  } as object);
  const destinations = { objects, reserved: () => false };
  return openWebhooks({ objects, destinations, dial: dialDirect, metrics: new Metrics(), log: silentLogger });
}

function attributesOf(
  fields: Partial<AdmissionAttributes> = {},
): AdmissionAttributes & { notes: Record<string, string> } {
  const notes: Record<string, string> = {};
  return {
    operation: 'CREATE',
    resource: scheme.storage('', 'configmaps'),
    subresource: '',
    namespace: 'default',
    name: 'a',
    user: { username: 'jane', uid: '7', groups: ['g'], extra: { k: ['v'] } },
    dryRun: false,
    object: { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'a' } },
    oldObject: undefined,
    options: {},
    warn() {},
    annotate: (key, value) => {
      notes[key] = value;
    },
    notes,
    ...fields,
  };
}

test('audit annotations tell who changed what, who was passed over, and what webhooks say themselves', async () => {
  await using webhook = await startWebhook(({ path }) =>
    path.startsWith('/changes')
      ? { ...jsonPatch([{ op: 'add', path: '/data', value: { a: '1' } }]), auditAnnotations: { why: 'so' } }
      : path.startsWith('/keeps')
        ? { allowed: true }
        : (response) => response.writeHead(500).end(),
  );
  using webhooks = configured(
    webhook,
    { name: 'changes.hooks.example' },
    { name: 'keeps.hooks.example' },
    { name: 'fails.hooks.example', failurePolicy: 'Ignore' },
  );
  const attributes = attributesOf();
  await runAdmission([webhooks.mutating], attributes);
  const mutation = (name: string, mutated: boolean) =>
    JSON.stringify({ configuration: 'under-test', webhook: name, mutated });
  assert.deepEqual(attributes.notes, {
    'changes.hooks.example/why': 'so',
    'mutation.webhook.admission.k8s.io/round_0_index_0': mutation('changes.hooks.example', true),
    'mutation.webhook.admission.k8s.io/round_0_index_1': mutation('keeps.hooks.example', false),
    'failed-open.mutation.webhook.admission.k8s.io/round_0_index_2': 'fails.hooks.example',
  });
  assert.deepEqual(webhook.asked[0]?.request.userInfo, {
    username: 'jane',
    uid: '7',
    groups: ['g'],
    extra: { k: ['v'] },
  });
});

test('after a change all other plugins run once more, and what they change is shown to those that want it', async () => {
  await using webhook = await startWebhook(({ request }) => {
    const done = request.object.data?.hooked !== undefined;
    return done ? { allowed: true } : jsonPatch([{ op: 'add', path: '/data', value: { hooked: 'yes' } }]);
  });
  using webhooks = configured(webhook, { name: 'a.hooks.example', reinvocationPolicy: 'IfNeeded' });
  let rounds = 0;
  const inTree: AdmissionPlugin = {
    name: 'InTree',
    admit({ object }) {
      rounds++;
      if (object) object.metadata['annotations'] = { round: String(rounds) };
    },
  };
  await runAdmission([inTree, webhooks.mutating], attributesOf());
  assert.equal(rounds, 2);
  assert.deepEqual(
    webhook.asked.map(({ request }) => request.object.metadata.annotations),
    [{ round: '1' }, { round: '2' }],
  );
});

test('the options of a connection cannot be changed: that would do nothing', async () => {
  await using webhook = await startWebhook(() => jsonPatch([{ op: 'add', path: '/command', value: ['sh'] }]));
  using webhooks = configured(webhook, { name: 'a.hooks.example' });
  const attributes = attributesOf({
    operation: 'CONNECT',
    resource: scheme.storage('', 'pods'),
    subresource: 'exec',
    object: { kind: 'PodExecOptions', apiVersion: 'v1', metadata: {}, command: ['ls'] },
  });
  await assert.rejects(
    runAdmission([webhooks.mutating], attributes),
    /attempted to modify the object, which is not supported/,
  );
});

test('a scale is shown as that, and its change goes into the object', async () => {
  await using webhook = await startWebhook(() => jsonPatch([{ op: 'replace', path: '/spec/replicas', value: 2 }]));
  using webhooks = configured(webhook, { name: 'a.hooks.example' });
  const object = {
    kind: 'Deployment',
    apiVersion: 'apps/v1',
    metadata: { name: 'web', labels: { app: 'web' } },
    spec: { replicas: 9, selector: { matchLabels: { app: 'web' } } },
  };
  const resource = scheme.storage('apps', 'deployments');
  const attributes = attributesOf({ operation: 'UPDATE', resource, subresource: 'scale', object, oldObject: object });
  await runAdmission([webhooks.mutating], attributes);
  assert.equal(webhook.asked[0]?.request.object.kind, 'Scale');
  assert.deepEqual(attributes.object, { ...object, spec: { ...object.spec, replicas: 2 } });
});
