import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openClusterPki } from '../../pki/authority.ts';
import { configMaps } from '../server-suite.ts';
import { type HookInit, hookOf, openWebhookBed, type WebhookBed } from './webhook-bed-suite.ts';
import { startWebhook } from './webhook-server-suite.ts';

let bed: WebhookBed;
before(async () => {
  bed = await openWebhookBed();
});
after(() => bed[Symbol.asyncDispose]());

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
        await using _hook = await bed.configure('Validating', hook);
        const { status, json } = await bed.create('unasked');
        assert.equal(status, 500);
        assert.equal(json.reason, 'InternalError');
        assert.match(json.message, /^Internal error occurred: failed calling webhook "test\.hooks\.example": /);
        assert.match(json.message, message);
        assert.doesNotMatch(json.message, /secret/);
      }
      await using _hook = await bed.configure('Validating', { ...hook, failurePolicy: 'Ignore' });
      assert.equal((await bed.create('unasked')).status, 201);
      await using _gone = await bed.configure('Mutating'); // nothing in it
      await bed.server.request({ method: 'DELETE', path: `${configMaps}/unasked` });
    });
  }
});

test('metrics are upstream’s', async () => {
  await using webhook = await startWebhook(() => ({ allowed: true }));
  await using _hook = await bed.configure('Validating', { webhook });
  assert.equal((await bed.create('counted')).status, 201);
  const text = (await bed.server.request({ path: '/metrics' })).bytes.toString();
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
    const { status, json } = await bed.server.request({ method: 'POST', path, body });
    assert.equal(status, 422, JSON.stringify(json));
    assert.match(json.message, message);
  }
});
