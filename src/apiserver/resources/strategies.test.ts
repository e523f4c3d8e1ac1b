import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createCertificateRequest } from '../../pki/certificate-request.ts';
import { openTestServer, type TestServer } from '../server-suite.ts';

let server: TestServer;
before(async () => {
  server = await openTestServer({ disableAdmissionPlugins: ['ServiceAccount'] });
});
after(() => server[Symbol.asyncDispose]());

const core = '/api/v1/namespaces/default';
const post = (path: string, body: unknown) => server.request({ method: 'POST', path, body });
const merge = (path: string, body: unknown) =>
  server.request({ method: 'PATCH', path, headers: { 'content-type': 'application/merge-patch+json' }, body });
const podSpec = { containers: [{ name: 'c', image: 'i' }] };

test('a pod is pending at first, whatever its client says, and has its quality of service', async () => {
  const cases = [
    ['BestEffort', {}],
    ['Burstable', { requests: { cpu: '1' } }],
    ['Guaranteed', { limits: { cpu: '1', memory: '1Gi' } }],
  ] as const;
  for (const [expected, resources] of cases) {
    const { json } = await post(`${core}/pods`, {
      metadata: { name: expected.toLowerCase() },
      spec: { containers: [{ name: 'c', image: 'i', resources }] },
      status: { phase: 'Running' },
    });
    assert.deepEqual(json.status, { phase: 'Pending', qosClass: expected });
    assert.equal(json.metadata.generation, 1);
  }
});

test('a pod on a node is deleted with grace, one without at once', async () => {
  await post(`${core}/pods`, { metadata: { name: 'bound' }, spec: { ...podSpec, nodeName: 'n' } });
  const marked = await server.request({ method: 'DELETE', path: `${core}/pods/bound` });
  assert.equal(marked.json.metadata.deletionGracePeriodSeconds, 30);
  const negative = await server.request({
    method: 'DELETE',
    path: `${core}/pods/bound`,
    body: { gracePeriodSeconds: -5 },
  });
  assert.equal(negative.json.metadata.deletionGracePeriodSeconds, 1);
  await server.request({ method: 'DELETE', path: `${core}/pods/bound`, body: { gracePeriodSeconds: 0 } });
  assert.equal((await server.request({ path: `${core}/pods/bound` })).status, 404);
  await post(`${core}/pods`, { metadata: { name: 'unbound' }, spec: podSpec });
  await server.request({ method: 'DELETE', path: `${core}/pods/unbound` });
  assert.equal((await server.request({ path: `${core}/pods/unbound` })).status, 404);
});

test('ephemeral containers are added through their subresource alone, and stay', async () => {
  await post(`${core}/pods`, { metadata: { name: 'debugged' }, spec: podSpec });
  const path = `${core}/pods/debugged/ephemeralcontainers`;
  const added = await merge(path, { spec: { ephemeralContainers: [{ name: 'd', image: 'busybox' }], hostname: 'x' } });
  assert.equal(added.status, 200, added.json.message);
  assert.equal(added.json.spec.ephemeralContainers[0].name, 'd');
  assert.equal(added.json.spec.hostname, undefined);
  const removed = await merge(path, { spec: { ephemeralContainers: [] } });
  assert.match(removed.json.message, /existing ephemeral containers "d" may not be removed/);
});

test('a namespace is Active, is kept while it has a finalizer of its own, and goes with the last', async () => {
  const { json } = await post('/api/v1/namespaces', { metadata: { name: 'ends' }, status: { phase: 'Terminating' } });
  assert.deepEqual(json.spec, { finalizers: ['kubernetes'] });
  assert.deepEqual(json.status, { phase: 'Active' });
  assert.equal(json.metadata.labels['kubernetes.io/metadata.name'], 'ends');
  const kept = await merge('/api/v1/namespaces/ends', { spec: { finalizers: [] } });
  assert.deepEqual(kept.json.spec, { finalizers: ['kubernetes'] });
  const deleted = await server.request({ method: 'DELETE', path: '/api/v1/namespaces/ends' });
  assert.equal(deleted.json.status.phase, 'Terminating');
  const body = { ...deleted.json, spec: {} };
  const finalized = await server.request({ method: 'PUT', path: '/api/v1/namespaces/ends/finalize', body });
  assert.equal(finalized.status, 200, finalized.json.message);
  assert.equal((await server.request({ path: '/api/v1/namespaces/ends' })).status, 404);
});

test('a node registers with its status, which only its subresource changes later', async () => {
  const made = await post('/api/v1/nodes', { metadata: { name: 'n' }, status: { capacity: { cpu: '2' } } });
  assert.equal(made.json.status.capacity.cpu, '2');
  const ignored = await merge('/api/v1/nodes/n', { status: { capacity: { cpu: '4' } }, spec: { unschedulable: true } });
  assert.deepEqual([ignored.json.status.capacity.cpu, ignored.json.spec.unschedulable], ['2', true]);
  const status = await merge('/api/v1/nodes/n/status', { status: { capacity: { cpu: '4' } } });
  assert.equal(status.json.status.capacity.cpu, '4');
});

test('the data of a secret is what was written as text, and the text is not kept', async () => {
  const made = await post(`${core}/secrets`, { metadata: { name: 's' }, data: { a: 'YQ==' }, stringData: { b: 'b' } });
  assert.deepEqual(made.json.data, { a: 'YQ==', b: 'Yg==' });
  assert.equal(made.json.stringData, undefined);
  assert.equal(made.json.type, 'Opaque');
});

test('a job gets a selector and labels that no other job has', async () => {
  const spec = { template: { spec: { ...podSpec, restartPolicy: 'Never' } } };
  const { json } = await post('/apis/batch/v1/namespaces/default/jobs', { metadata: { generateName: 'j-' }, spec });
  const { name, uid } = json.metadata;
  assert.deepEqual(json.spec.selector, { matchLabels: { 'batch.kubernetes.io/controller-uid': uid } });
  assert.deepEqual(json.spec.template.metadata.labels, {
    'batch.kubernetes.io/controller-uid': uid,
    'batch.kubernetes.io/job-name': name,
    'controller-uid': uid,
    'job-name': name,
  });
});

test('a warning tells of an environment variable that hides another', async () => {
  const env = [
    { name: 'A', value: '1' },
    { name: 'A', value: '2' },
  ];
  const { headers } = await post(`${core}/pods`, {
    metadata: { name: 'warned' },
    spec: { containers: [{ name: 'c', image: 'i', env }] },
  });
  assert.match(String(headers['warning']), /spec\.containers\[0\]\.env\[1\]: hides previous definition of \\"A\\"/);
});

const csrs = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
async function csr(name: string, fields: Record<string, unknown> = {}) {
  const { requestPem } = await createCertificateRequest({ commonName: 'x', organizations: [] });
  const request = Buffer.from(requestPem).toString('base64');
  return { metadata: { name }, spec: { request, signerName: 'example.com/x', usages: ['client auth'], ...fields } };
}

test('a certificate request says who asked and from where, whatever the client claims', async () => {
  const body = await csr('claims', {
    username: 'system:admin',
    groups: ['system:masters'],
    uid: 'x',
    extra: { a: ['b'] },
  });
  const annotations = { 'fairlead.dev/source-address': '192.0.2.1' };
  const { json, status } = await post(csrs, { ...body, metadata: { name: 'claims', annotations } });
  assert.equal(status, 201, json.message);
  assert.equal(json.spec.username, 'kubernetes-admin');
  assert.ok(!json.spec.uid || json.spec.uid !== 'x');
  assert.equal(json.spec.extra?.a, undefined);
  assert.match(json.metadata.annotations['fairlead.dev/source-address'], /^(::ffff:)?127\.0\.0\.1$/);
  for (const path of [`${csrs}/claims`, `${csrs}/claims/approval`, `${csrs}/claims/status`]) {
    const changed = await merge(path, { metadata: { annotations } });
    assert.equal(changed.status, 422, path);
    assert.match(changed.json.message, /fairlead\.dev\/source-address\]: Forbidden: is set by the server/);
  }
  const spec = await merge(`${csrs}/claims`, { spec: { username: 'other' } });
  assert.equal(spec.json.spec.username, 'kubernetes-admin');
});

test('decisions come through approval alone, and are final', async () => {
  await post(csrs, await csr('decided'));
  const approved = { type: 'Approved', status: 'True', reason: 'Test' };
  const denied = { type: 'Denied', status: 'True', reason: 'Test' };
  const around = await merge(`${csrs}/decided/status`, { status: { conditions: [approved] } });
  assert.match(around.json.message, /updates may not add a condition of type "Approved"/);
  const both = await merge(`${csrs}/decided/approval`, { status: { conditions: [approved, denied] } });
  assert.match(both.json.message, /Approved and Denied conditions are mutually exclusive/);
  const given = await merge(`${csrs}/decided/approval`, { status: { conditions: [approved], certificate: 'eA==' } });
  assert.equal(given.status, 200, given.json.message);
  assert.equal(given.json.status.certificate, undefined);
  assert.ok(given.json.status.conditions[0].lastTransitionTime);
  const taken = await merge(`${csrs}/decided/approval`, { status: { conditions: [] } });
  assert.match(taken.json.message, /updates may not remove a condition of type "Approved"/);
});

test('a certificate is set through status alone, once, and must be one', async () => {
  await post(csrs, await csr('signed'));
  const text = (pem: string) => Buffer.from(pem).toString('base64');
  const bad = await merge(`${csrs}/signed/status`, { status: { certificate: text('x'), conditions: [] } });
  assert.match(bad.json.message, /must contain at least one CERTIFICATE PEM block/);
  const set = await merge(`${csrs}/signed/status`, { status: { certificate: text(server.caPem), conditions: [] } });
  assert.equal(set.status, 200, set.json.message);
  const again = await merge(`${csrs}/signed/status`, {
    status: { certificate: text(`${server.caPem}\n`), conditions: [] },
  });
  assert.match(again.json.message, /updates may not modify existing certificate content/);
});

test('bad certificate requests are refused', async () => {
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ request: 'eA==' }, /spec\.request: Invalid value: "eA==": PEM block type must be CERTIFICATE REQUEST/],
    [{ usages: [] }, /spec\.usages: Required value/],
    [{ usages: ['x'] }, /spec\.usages\[0\]: Unsupported value: "x"/],
    [{ usages: ['client auth', 'client auth'] }, /spec\.usages\[1\]: Duplicate value: "client auth"/],
    [{ signerName: 'kubernetes.io/legacy-unknown' }, /the legacy signerName is not allowed via this API version/],
    [{ expirationSeconds: 599 }, /may not specify a duration less than 600 seconds \(10 minutes\)/],
  ];
  for (const [fields, message] of cases) {
    const { status, json } = await post(csrs, await csr('bad', fields));
    assert.equal(status, 422);
    assert.match(json.message, message);
  }
});
