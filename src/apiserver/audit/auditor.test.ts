import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { JsonObject } from '../../api/object.ts';
import type { Clock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { Metrics } from '../../lib/metrics.ts';
import { AuditLogFile } from './audit-log-file.ts';
import { AuditQueue } from './audit-queue.ts';
import { type AuditRequest, auditIdOf, createAuditor } from './auditor.ts';

const clock: Clock = { now: () => Date.parse('2026-01-02T03:04:05.678Z'), delay: async () => {} };
const ann = { username: 'ann', uid: 'u', groups: ['devs'], extra: { team: ['red'] } };

async function temporaryFolder() {
  const path = await mkdtemp(join(tmpdir(), 'audit-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

function request(more: Partial<AuditRequest> = {}, target: Partial<AuditRequest['info']> = {}): AuditRequest {
  const info = {
    isResourceRequest: true,
    path: '/api/v1/namespaces/ns/pods',
    verb: 'create',
    group: '',
    version: 'v1',
    resource: 'pods',
    subresource: '',
    rest: [],
    namespace: 'ns',
    name: '',
    ...target,
  };
  return {
    auditId: 'id-1',
    requestUri: info.path,
    info,
    user: ann,
    headers: { 'user-agent': 'kubectl', 'x-forwarded-for': '192.0.2.1, 192.0.2.2' },
    remoteAddress: '::ffff:127.0.0.1',
    receivedAtMs: clock.now(),
    ...more,
  };
}

/** What one request leaves in the log under a policy of one rule. */
async function eventsOf(
  rule: string,
  use: (auditor: Awaited<ReturnType<typeof createAuditor>>) => void,
): Promise<JsonObject[]> {
  await using folder = await temporaryFolder();
  const logPath = join(folder.path, 'audit.log');
  const policyYaml = `apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [${rule}]`;
  const auditor = await createAuditor({ policyYaml, logPath }, { log: silentLogger, metrics: new Metrics(), clock });
  use(auditor);
  await auditor[Symbol.asyncDispose]();
  assert.equal((await stat(logPath)).mode & 0o777, 0o600);
  const lines = (await readFile(logPath, 'utf8')).split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as JsonObject);
}

test('a request leaves an event at each stage, with who, what, from where and how it ended', async () => {
  const events = await eventsOf('{level: Metadata}', (auditor) => {
    const record = auditor.begin(request());
    record?.impersonate({ username: 'bob', uid: '', groups: [], extra: {} });
    record?.annotate('authorization.k8s.io/decision', 'allow');
    record?.annotate('authorization.k8s.io/decision', 'forbid');
    record?.refersTo({ name: 'web-0', uid: 'p1' });
    record?.requestObject({ kind: 'Pod' });
    record?.complete(201);
  });
  const common = {
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'Metadata',
    auditID: 'id-1',
    requestURI: '/api/v1/namespaces/ns/pods',
    verb: 'create',
    user: { username: 'ann', uid: 'u', groups: ['devs'], extra: { team: ['red'] } },
    sourceIPs: ['192.0.2.1', '192.0.2.2', '127.0.0.1'],
    userAgent: 'kubectl',
    requestReceivedTimestamp: '2026-01-02T03:04:05.678000Z',
    stageTimestamp: '2026-01-02T03:04:05.678000Z',
  };
  const objectRef = { resource: 'pods', namespace: 'ns', apiVersion: 'v1' };
  assert.deepEqual(events, [
    { ...common, stage: 'RequestReceived', objectRef },
    {
      ...common,
      stage: 'ResponseComplete',
      objectRef: { ...objectRef, name: 'web-0', uid: 'p1' },
      impersonatedUser: { username: 'bob' },
      responseStatus: { metadata: {}, code: 201 },
      annotations: { 'authorization.k8s.io/decision': 'allow' },
    },
  ]);
});

test('the level decides about bodies, and stages can be left out', async () => {
  const bodies = async (level: string) => {
    const [event] = await eventsOf(`{level: ${level}, omitStages: [RequestReceived]}`, (auditor) => {
      const record = auditor.begin(request());
      record?.requestObject({ a: 1 });
      record?.responseObject({ b: 2 });
      record?.complete(200);
    });
    return [event?.['requestObject'], event?.['responseObject']];
  };
  assert.deepEqual(await bodies('Metadata'), [undefined, undefined]);
  assert.deepEqual(await bodies('Request'), [{ a: 1 }, undefined]);
  assert.deepEqual(await bodies('RequestResponse'), [{ a: 1 }, { b: 2 }]);
  assert.deepEqual(await eventsOf('{level: None}', (auditor) => assert.equal(auditor.begin(request()), undefined)), []);
});

test('a long-running request, a failed authentication and a bug have their own events', async () => {
  const events = await eventsOf('{level: Metadata, omitStages: [RequestReceived]}', (auditor) => {
    const watch = auditor.begin(request({}, { verb: 'watch' }));
    watch?.responseStarted(200);
    watch?.complete(200);
    const stranger = { user: undefined };
    auditor.begin(request(stranger))?.failedAuthentication(['bearer', 'x509']);
    auditor.begin(request(stranger))?.failedAuthentication([]);
    auditor.begin(request())?.panic('boom');
  });
  const outcomes = events.map(({ stage, responseStatus }) => [stage, (responseStatus as JsonObject)['message']]);
  assert.deepEqual(outcomes, [
    ['ResponseStarted', undefined],
    ['ResponseComplete', undefined],
    ['ResponseStarted', 'Authentication failed, attempted: bearer, x509'],
    ['ResponseStarted', 'Authentication failed, no credentials provided'],
    ['Panic', "APIServer panic'd: boom"],
  ]);
  assert.deepEqual(events[2]?.['user'], {});
});

test('tokens are never written, whatever the policy asks for', async () => {
  const secret = 'S3CR3T';
  const events = await eventsOf('{level: RequestResponse}', (auditor) => {
    const of = (resource: string, subresource = '', verb = 'create') => {
      const record = auditor.begin(
        request({ requestUri: `/x?access_token=${secret}&a=b&token=${secret}` }, { resource, subresource, verb }),
      );
      assert.ok(record);
      return record;
    };
    const issue = of('serviceaccounts', 'token');
    issue.responseObject({ status: { token: secret } });
    issue.complete(201);
    const tokenReview = of('tokenreviews');
    tokenReview.requestObject({ spec: { token: secret } });
    tokenReview.complete(201);
    const write = of('secrets');
    write.requestObject({ data: { token: secret }, stringData: { 'token-secret': secret } });
    write.responseObject({ items: [{ data: { token: secret } }] });
    write.complete(201);
    const patch = of('secrets', '', 'patch');
    patch.requestObject([
      { op: 'replace', path: '/data/token', value: secret },
      { op: 'replace', path: '/data', value: { token: secret } },
    ]);
    patch.complete(200);
    const apply = of('secrets', '', 'patch');
    const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': `{"data":{"token":"${secret}"}}` };
    apply.requestObject({ metadata: { annotations } });
    apply.complete(200);
  });
  assert.equal(events.length, 10);
  assert.equal(JSON.stringify(events).includes(secret), false);
  assert.equal(events[0]?.['requestURI'], '/x?access_token=<redacted>&a=b&token=<redacted>');
});

test('managed fields are left out where the policy says so', async () => {
  const events = await eventsOf('{level: Request, omitManagedFields: true}', (auditor) => {
    const record = auditor.begin(request());
    record?.requestObject({
      metadata: { name: 'x', managedFields: [{}] },
      items: [{ metadata: { managedFields: [] } }],
    });
    record?.complete(200);
  });
  assert.deepEqual(events[1]?.['requestObject'], { metadata: { name: 'x' }, items: [{ metadata: {} }] });
});

test('an audit id is the client’s where it is sensible', () => {
  assert.equal(auditIdOf({ 'audit-id': 'abc-1' }), 'abc-1');
  const made = /^[0-9a-f]{8}-[0-9a-f-]{27}$/;
  for (const bad of [undefined, '', 'a b', 'x'.repeat(129), ['a', 'b']])
    assert.match(auditIdOf({ 'audit-id': bad }), made);
});

test('without a policy, or without a log, nothing is audited', async () => {
  const options = { log: silentLogger, metrics: new Metrics() };
  await using none = await createAuditor({ logPath: '/nonexistent/audit.log' }, options);
  assert.equal(none.begin(request()), undefined);
});

test('a full log is put aside, and old ones are deleted', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'audit.log');
  let now = clock.now();
  const ticking: Clock = { ...clock, now: () => now };
  await using file = await AuditLogFile.open({ path, maxSizeMb: 1, maxBackups: 2, clock: ticking });
  const half = `${'x'.repeat(600 * 1024)}\n`;
  for (let i = 0; i < 4; i++) {
    await file.write(half);
    now += 1000;
  }
  assert.deepEqual((await readdir(folder.path)).sort(), [
    'audit-2026-01-02T03-04-07.678.log',
    'audit-2026-01-02T03-04-08.678.log',
    'audit.log',
  ]);
  assert.equal((await stat(path)).size, half.length);
});

test('events that cannot be written, or come too fast, are counted as errors', async () => {
  const metrics = new Metrics();
  const writes: string[] = [];
  const queue = new AuditQueue({
    log: silentLogger,
    metrics,
    sink: {
      async write(lines) {
        writes.push(lines);
        if (lines === 'bad\n') throw new Error('disk full');
      },
      async [Symbol.asyncDispose]() {},
    },
  });
  queue.push('bad\n');
  const large = `${'x'.repeat(10 * 1024 * 1024)}\n`;
  queue.push('x'.repeat(17 * 1024 * 1024));
  await new Promise(setImmediate);
  queue.push(large);
  queue.push(large);
  await queue[Symbol.asyncDispose]();
  assert.deepEqual(writes, ['bad\n', large]);
  const text = await metrics.render();
  assert.match(text, /apiserver_audit_event_total 4\n/);
  assert.match(text, /apiserver_audit_error_total\{plugin="log"\} 3\n/);
});
