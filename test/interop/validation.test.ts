import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTestServer } from '../../src/apiserver/server-suite.ts';
import type { ApiClient } from '../../src/client/client.ts';
import { connectApi } from '../../src/client/connect.ts';
import { decodeText } from '../../src/lib/bytes.ts';
import { missingControlPlane, startUpstreamControlPlane } from './upstream-control-plane.ts';
import { type ValidationCase, validationCases } from './validation-corpus.ts';

/** What a client is told of a request, as far as two servers can agree on it. */
interface Verdict {
  readonly code: number;
  readonly reason?: string;
  readonly message?: string;
  readonly causes?: readonly string[];
}

test('good and bad objects get the answers of an upstream API server', {
  skip: missingControlPlane() ?? false,
}, async () => {
  await using upstream = await startUpstreamControlPlane({ controllers: false });
  await using ours = await openTestServer();
  await using client = connectApi({
    server: ours.api.url,
    ca: ours.caPem,
    certificate: { certificate: ours.admin.certificatePem, key: ours.admin.privateKeyPem },
  });
  for (const api of [upstream.client, client]) await prepare(api);
  const differences: string[] = [];
  for (const each of validationCases) {
    const expected = await judge(upstream.client, each);
    const actual = await judge(client, each);
    try {
      assert.deepEqual(actual, expected);
    } catch {
      const show = (verdict: Verdict) => JSON.stringify(verdict, undefined, 1);
      differences.push(`${each.path}: ${each.name}\n  upstream ${show(expected)}\n  ours ${show(actual)}`);
    }
  }
  assert.equal(differences.length, 0, `\n${differences.join('\n\n')}`);
});

/** Pods need their account, which no controller makes here. */
async function prepare(api: ApiClient): Promise<void> {
  const path = '/api/v1/namespaces/default/serviceaccounts';
  await send(api, { method: 'POST', path, body: { metadata: { name: 'default' } } });
}

async function judge(api: ApiClient, { path, object, patch, subresource }: ValidationCase): Promise<Verdict> {
  if (!patch) return send(api, { method: 'POST', path: `${path}?dryRun=All`, body: object });
  const made = await send(api, { method: 'POST', path, body: object });
  assert.equal(made.code, 201, `${path}: ${made.message}`);
  const { name } = object['metadata'] as { name: string }; // objects to be patched have one
  const target = `${path}/${name}`;
  const part = subresource === undefined ? '' : `/${subresource}`;
  const verdict = await send(api, { method: 'PATCH', path: `${target}${part}?dryRun=All`, body: patch });
  await send(api, { method: 'DELETE', path: target, body: { gracePeriodSeconds: 0 } });
  return verdict;
}

async function send(api: ApiClient, request: { method: string; path: string; body: unknown }): Promise<Verdict> {
  const { method, path } = request;
  const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
  const body = Buffer.from(JSON.stringify(request.body));
  const answer = await api.request({ method, path, headers: { 'content-type': type }, body });
  if (answer.status < 300) return { code: answer.status };
  const { reason, message, details } = JSON.parse(decodeText(answer.body)) as {
    reason: string;
    message: string;
    details?: { causes?: { field?: string; message?: string; reason?: string }[] };
  };
  const causes = (details?.causes ?? []).map((cause) => `${cause.reason} ${cause.field}: ${cause.message}`);
  return {
    code: answer.status,
    reason,
    message: comparable(message),
    causes: [...new Set(causes.map(comparable))].sort(),
  };
}

/** Ids and generated names are made up, a cause may be told twice, and how a difference is drawn is each server's own. */
function comparable(text: string): string {
  return text
    .replace(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'UID')
    .replace(/A_[a-z0-9]{5}/g, 'A_NAME')
    .replace(/\n[\s\S]*/, '');
}
