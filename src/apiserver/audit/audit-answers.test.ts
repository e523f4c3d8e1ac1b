import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { configMap, configMaps, openTestServer } from '../server-suite.ts';

test('an answer is audited as an object, in JSON and in protobuf', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'fairlead-audit-'));
  try {
    const logPath = join(directory, 'audit.log');
    const policyYaml =
      'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{ level: RequestResponse, resources: [{ group: "", resources: [configmaps] }] }]\n';
    {
      await using server = await openTestServer({ audit: { policyYaml, logPath } });
      await server.request({ method: 'POST', path: configMaps, body: configMap('settings', { data: { a: '1' } }) });
      const accept = 'application/vnd.kubernetes.protobuf';
      const answer = await server.request({ path: `${configMaps}/settings`, headers: { accept } });
      assert.equal(answer.headers['content-type'], accept);
    }
    const events = readFileSync(logPath, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
      .filter(({ stage, objectRef }) => stage === 'ResponseComplete' && objectRef?.namespace === 'default');
    assert.deepEqual(
      events.map(({ verb, responseObject }) => [verb, responseObject?.kind, responseObject?.data]),
      [
        ['create', 'ConfigMap', { a: '1' }],
        ['get', 'ConfigMap', { a: '1' }],
      ],
    );
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
