import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeWithKubectls } from './with-cluster.ts';

describeWithKubectls('discovery and access', (fixture) => {
  test('api-resources, api-versions, version and cluster-info know the server', async () => {
    const { kubectl } = fixture;
    const resources = await kubectl.text(['api-resources']);
    for (const expected of [
      /^pods +po +v1 +true +Pod$/m,
      /^deployments +deploy +apps\/v1 +true +Deployment$/m,
      /^leases .*coordination/m,
    ]) {
      assert.match(resources, expected);
    }
    assert.match(await kubectl.text(['api-versions']), /^apps\/v1$/m);
    assert.match(await kubectl.text(['version']), /Server Version: v1\.36\./);
    assert.match(await kubectl.text(['cluster-info']), /control plane.* is running at .*https:/);
  });

  test('explain describes every field', async () => {
    const { kubectl } = fixture;
    assert.match(
      await kubectl.text(['explain', 'pod.spec.containers.livenessProbe']),
      /FIELDS:\n[\s\S]*periodSeconds\t<integer>\n +How often/,
    );
    assert.match(await kubectl.text(['explain', 'deployment', '--recursive']), /strategy\t<DeploymentStrategy>/);
    for (const kind of ['service', 'node', 'csr', 'clusterrole', 'lease', 'event']) {
      assert.match(await kubectl.text(['explain', kind]), /DESCRIPTION:\n +\S/, kind);
    }
  });

  test('auth can-i and whoami answer for the caller and for others', async () => {
    const { kubectl, namespace } = fixture;
    assert.equal(await kubectl.text(['auth', 'can-i', 'create', 'pods']), 'yes');
    const account = `--as=system:serviceaccount:${namespace}:default`;
    const refused = await kubectl.run(['auth', 'can-i', 'create', 'pods', account], { code: 1 });
    assert.equal(refused.stdout.trim(), 'no');
    assert.match(await kubectl.text(['auth', 'can-i', '--list', account]), /selfsubjectaccessreviews/);
    assert.match(await kubectl.text(['auth', 'whoami']), /kubernetes-admin/);
    const forbidden = await kubectl.run(['get', 'pods', account], { code: 1 });
    assert.match(
      forbidden.stderr,
      new RegExp(
        `pods is forbidden: User "system:serviceaccount:${namespace}:default" cannot list resource "pods" in API group "" in the namespace "${namespace}"`,
      ),
    );
  });

  test('a created token speaks for its service account', async () => {
    const { kubectl, namespace } = fixture;
    await kubectl.run(['create', 'serviceaccount', 'speaker']);
    const token = await kubectl.text(['create', 'token', 'speaker', '--duration=10m']);
    const review = await kubectl.run(['create', '-o', 'jsonpath={.status.user.username}', '-f', '-'], {
      stdin: JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } }),
    });
    assert.equal(review.stdout, `system:serviceaccount:${namespace}:speaker`);
  });

  test('health, readiness and metrics answer', async () => {
    const { kubectl } = fixture;
    assert.equal(await kubectl.text(['get', '--raw', '/livez']), 'ok');
    assert.match(await kubectl.text(['get', '--raw', '/readyz?verbose']), /\[\+\]etcd ok[\s\S]*readyz check passed/);
    assert.match(await kubectl.text(['get', '--raw', '/metrics']), /^apiserver_request_total\{/m);
  });

  test('certificate approve and deny decide on a request', async () => {
    const { kubectl } = fixture;
    const { createCertificateRequest } = await import('../../src/pki/certificate-request.ts');
    for (const verdict of ['approve', 'deny'] as const) {
      const name = `asked-${verdict}-${kubectl.binary.minor}`;
      const { requestPem } = await createCertificateRequest({ commonName: 'someone' });
      await kubectl.apply({
        apiVersion: 'certificates.k8s.io/v1',
        kind: 'CertificateSigningRequest',
        metadata: { name },
        spec: {
          request: Buffer.from(requestPem).toString('base64'),
          signerName: 'kubernetes.io/kube-apiserver-client',
          usages: ['client auth'],
        },
      });
      await kubectl.run(['certificate', verdict, name]);
      const condition = verdict === 'approve' ? 'Approved' : 'Denied';
      assert.match(await kubectl.text(['get', 'csr', name]), new RegExp(condition));
      if (verdict === 'approve') {
        await kubectl.run(['wait', `csr/${name}`, '--for=jsonpath={.status.certificate}', '--timeout=20s']);
      }
      await kubectl.run(['delete', 'csr', name]);
    }
  });
});
