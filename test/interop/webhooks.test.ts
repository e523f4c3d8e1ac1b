import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openTestServer } from '../../src/apiserver/server-suite.ts';
import {
  type Answer,
  type AskedReview,
  jsonPatch,
  startWebhook,
  type TestWebhook,
} from '../../src/apiserver/webhooks/webhook-server-suite.ts';
import type { ApiClient } from '../../src/client/client.ts';
import { connectApi } from '../../src/client/connect.ts';
import { dialDirect } from '../../src/egress/direct.ts';
import { decodeText } from '../../src/lib/bytes.ts';
import { registrationCases } from './registration-corpus.ts';
import { missingControlPlane, startUpstreamControlPlane } from './upstream-control-plane.ts';

type Request = readonly [method: string, path: string, body?: object];

interface Verdict {
  readonly code: number;
  readonly message?: string;
  readonly reason?: string;
}

const core = '/api/v1/namespaces/default';
const apps = '/apis/apps/v1/namespaces/default';
const template = {
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'c', image: 'i' }] },
};
const deployment = {
  metadata: { name: 'web' },
  spec: { replicas: 0, selector: { matchLabels: { app: 'web' } }, template },
};
const podBody = {
  metadata: { name: 'p' },
  spec: { automountServiceAccountToken: false, containers: [{ name: 'c', image: 'i' }] },
};

/** What both servers are asked to do, one after the other, while everything is shown to a webhook. */
const shown: readonly Request[] = [
  ['POST', `${core}/configmaps?fieldManager=me`, { metadata: { name: 'a' }, data: { k: 'v' } }],
  ['PUT', `${core}/configmaps/a`, { metadata: { name: 'a' }, data: { k: 'w' } }],
  ['PATCH', `${core}/configmaps/a?dryRun=All`, { data: { k: 'x' } }],
  ['DELETE', `${core}/configmaps/a?gracePeriodSeconds=0`],
  ['POST', `${core}/configmaps`, { metadata: { generateName: 'gen-' } }],
  ['POST', `${apps}/deployments`, deployment],
  ['PATCH', `${apps}/deployments/web/status`, { status: { observedGeneration: 1 } }],
  ['PATCH', `${apps}/deployments/web/scale`, { spec: { replicas: 2 } }],
  ['DELETE', `${apps}/deployments/web`, { kind: 'DeleteOptions', apiVersion: 'v1', propagationPolicy: 'Background' }],
  ['POST', '/api/v1/namespaces', { metadata: { name: 'space' } }],
  ['PATCH', '/api/v1/namespaces/space', { metadata: { labels: { x: 'y' } } }],
  ['DELETE', '/api/v1/namespaces/space'],
  ['POST', `${core}/pods`, podBody],
  ['POST', `${core}/pods/p/binding`, { metadata: { name: 'p' }, target: { kind: 'Node', name: 'none' } }],
  ['POST', `${core}/pods/p/eviction`, { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'p' } }],
  ['POST', '/apis/rbac.authorization.k8s.io/v1/clusterroles', { metadata: { name: 'r' }, rules: [] }],
];

/** What a webhook may answer to the creation of a ConfigMap, and what it is called with. */
const answers: Readonly<Record<string, { answer: Answer; mutating?: boolean; fields?: object; query?: string }>> = {
  'a refusal': { answer: { allowed: false } },
  'a refusal with a message': { answer: { allowed: false, status: { message: 'no', code: 403 } } },
  'a refusal with a reason': { answer: { allowed: false, status: { reason: 'Conflict', code: 409 } } },
  'a refusal that says success': { answer: { allowed: false, status: { status: 'Success', code: 200 } } },
  'an answer without a response': { answer: (response) => response.end(review({})) },
  'a patch of a validating webhook': { answer: jsonPatch([]) },
  'a patch without a type': { answer: { allowed: true, patch: 'W10=' }, mutating: true },
  'a type without a patch': { answer: { allowed: true, patchType: 'JSONPatch' }, mutating: true },
  'side effects on a dry run': { answer: { allowed: true }, fields: {}, query: '?dryRun=All' },
  'a patch that makes the object invalid': {
    answer: jsonPatch([{ op: 'add', path: '/metadata/labels', value: { '-x': 'y' } }]),
    mutating: true,
  },
};

describe('webhooks of both servers', { skip: missingControlPlane() ?? false }, () => {
  const resources = new AsyncDisposableStack();
  let upstream: ApiClient;
  let ours: ApiClient;
  let webhook: TestWebhook;
  let answer: Answer = { allowed: true };

  before(async () => {
    upstream = resources.use(await startUpstreamControlPlane({ controllers: false })).client;
    const server = resources.use(await openTestServer({}, undefined, { dial: dialDirect }));
    ours = resources.use(
      connectApi({
        server: server.api.url,
        ca: server.caPem,
        certificate: { certificate: server.admin.certificatePem, key: server.admin.privateKeyPem },
      }),
    );
    webhook = resources.use(await startWebhook(() => answer));
    for (const api of [upstream, ours]) {
      await send(api, ['POST', `${core}/serviceaccounts`, { metadata: { name: 'default' } }]);
    }
  });
  after(() => resources.disposeAsync());

  async function configure(api: ApiClient, kind: string, fields: object = {}): Promise<void> {
    const path = `/apis/admissionregistration.k8s.io/v1/${kind.toLowerCase()}webhookconfigurations`;
    await send(api, ['DELETE', `${path}/under-test`]);
    const all = { apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*'], operations: ['*'] };
    const { code, message } = await send(api, [
      'POST',
      path,
      {
        metadata: { name: 'under-test' },
        webhooks: [
          {
            name: 'test.hooks.example',
            clientConfig: { url: `${webhook.url}/hook`, caBundle: webhook.caBundle },
            rules: [all],
            sideEffects: 'None',
            admissionReviewVersions: ['v1'],
            namespaceSelector: {
              matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['kube-system'] }],
            },
            ...fields,
          },
        ],
      },
    ]);
    assert.equal(code, 201, message);
  }

  async function unconfigure(api: ApiClient, kind: string): Promise<void> {
    const path = `/apis/admissionregistration.k8s.io/v1/${kind.toLowerCase()}webhookconfigurations`;
    await send(api, ['DELETE', `${path}/under-test`]);
  }

  /** A new webhook is called as soon as the server has seen it. */
  async function untilCalled(api: ApiClient): Promise<void> {
    for (let attempt = 0; attempt < 100; attempt++) {
      const before = webhook.asked.length;
      await send(api, ['POST', `${core}/configmaps?dryRun=All`, { metadata: { name: 'probe' } }]);
      if (webhook.asked.length > before) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error('the webhook is not called');
  }

  test('are asked the same', async () => {
    answer = { allowed: true };
    const seen: unknown[][] = [];
    for (const api of [upstream, ours]) {
      await configure(api, 'Validating');
      await untilCalled(api);
      const own: unknown[] = [];
      for (const request of shown) {
        webhook.asked.length = 0;
        const { code, message } = await send(api, request);
        const asked = webhook.asked.filter(({ request: { resource } }) => request[1].includes(resource.resource));
        own.push({ request: request.slice(0, 2).join(' '), code, message, asked: asked.map(comparableReview) });
      }
      seen.push(own);
      await unconfigure(api, 'Validating');
    }
    const [expected = [], actual = []] = seen;
    const differences = expected.flatMap((one, index) => {
      try {
        assert.deepEqual(actual[index], one);
        return [];
      } catch (error) {
        return [`${shown[index]?.slice(0, 2).join(' ')}: ${(error as Error).message}`];
      }
    });
    assert.equal(differences.length, 0, `\n${differences.join('\n')}`);
  });

  for (const [name, { answer: given, mutating = false, fields, query = '' }] of Object.entries(answers)) {
    test(`pass on ${name} in the same words`, async () => {
      const kind = mutating ? 'Mutating' : 'Validating';
      const verdicts: Verdict[] = [];
      for (const api of [upstream, ours]) {
        answer = { allowed: true };
        await configure(api, kind, fields);
        await untilCalled(api);
        answer = given;
        verdicts.push(await send(api, ['POST', `${core}/configmaps${query}`, { metadata: { name: 'judged' } }]));
        await unconfigure(api, kind);
        answer = { allowed: true };
        await send(api, ['DELETE', `${core}/configmaps/judged`]);
      }
      assert.deepEqual(verdicts[1], verdicts[0]);
    });
  }

  test('are configured, and APIs registered, by the same rules', async () => {
    const differences: string[] = [];
    for (const { name, path, object } of registrationCases) {
      const request: Request = ['POST', `${path}?dryRun=All`, object];
      const [expected, actual] = [await send(upstream, request), await send(ours, request)];
      try {
        assert.deepEqual(actual, expected);
      } catch {
        differences.push(`${name}\n  upstream ${JSON.stringify(expected)}\n  ours     ${JSON.stringify(actual)}`);
      }
    }
    assert.equal(differences.length, 0, `\n${differences.join('\n')}`);
  });
});

function review(fields: object): string {
  return JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', ...fields });
}

async function send(api: ApiClient, [method, path, object]: Request): Promise<Verdict> {
  const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
  const answer = await api.request({
    method,
    path,
    headers: { 'content-type': type },
    ...(object && { body: Buffer.from(JSON.stringify(object)) }),
  });
  if (answer.status < 300) return { code: answer.status };
  const { message = '', reason } = JSON.parse(decodeText(answer.body)) as { message?: string; reason?: string };
  return { code: answer.status, message: comparable(message), ...(reason !== undefined && { reason }) };
}

function comparable(text: string): string {
  return text.replace(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'UID').replace(/gen-[a-z0-9]{5}/g, 'gen-NAME');
}

/** Without what each server makes up: upstream writes some empty fields, and a Namespace's own uid into the options of its deletion. */
function comparableReview({ path, request }: AskedReview): unknown {
  const { uid: _uid, userInfo, object, oldObject, ...rest } = request;
  const { extra: _extra, ...user } = userInfo;
  delete rest.options?.preconditions;
  return {
    path,
    user,
    ...JSON.parse(comparable(JSON.stringify(rest))),
    object: comparableObject(object),
    oldObject: comparableObject(oldObject),
  };
}

// biome-ignore lint/suspicious/noExplicitAny: objects of many kinds
function comparableObject(object: any): unknown {
  if (!object) return object;
  const { uid, resourceVersion, creationTimestamp, managedFields: _fields, ...metadata } = object.metadata ?? {};
  const made = {
    uid: typeof uid,
    resourceVersion: typeof resourceVersion,
    creationTimestamp: typeof creationTimestamp,
  };
  const copy = withoutEmpty(JSON.parse(comparable(JSON.stringify({ ...object, metadata }))));
  return { ...copy, made };
}

function withoutEmpty(object: Record<string, unknown>): Record<string, unknown> {
  const isEmpty = (value: unknown) => typeof value === 'object' && value !== null && Object.keys(value).length === 0;
  return Object.fromEntries(Object.entries(object).filter(([, value]) => !isEmpty(value)));
}
