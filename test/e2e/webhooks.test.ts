import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openClusterPki } from '../../src/pki/authority.ts';
import { createCluster, type TestCluster } from '../../src/testing/create-cluster.ts';
import { type Extension, startExtension } from './extension.ts';
import { Kubectl } from './kubectl.ts';
import { findKubectls } from './kubectl-binaries.ts';

const newest = findKubectls().at(-1);

interface HookOptions {
  readonly path: string;
  readonly kind?: 'Mutating' | 'Validating';
  readonly caBundle?: string;
  readonly failurePolicy?: 'Fail' | 'Ignore';
}

for (const route of ['direct', 'tunnel'] as const) {
  describe(`admission webhooks in a pod of a node reached by the route ${route}`, {
    skip: newest ? false : 'no kubectl',
  }, () => {
    const namespace = 'hooks';
    const resources = new AsyncDisposableStack();
    let cluster: TestCluster;
    let kubectl: Kubectl;
    let extension: Extension;

    before(async () => {
      cluster = resources.use(await createCluster());
      await cluster.addNode({ route });
      assert.ok(newest);
      kubectl = resources.use(new Kubectl(newest, { kubeconfig: cluster.kubeconfigPath, namespace }));
      await kubectl.run(['create', 'namespace', namespace]);
      await kubectl.run([
        'wait',
        '--for=create',
        'serviceaccount/default',
        'configmap/kube-root-ca.crt',
        '--timeout=30s',
      ]);
      extension = await startExtension(kubectl, { namespace });
    });
    after(() => resources.disposeAsync());

    /** Puts one webhook for ConfigMaps named after its path into place, for as long as it is not disposed. */
    async function hook(options: HookOptions): Promise<AsyncDisposable> {
      const { path, kind = 'Validating', caBundle = extension.caBundle, failurePolicy = 'Fail' } = options;
      await kubectl.apply({
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: `${kind}WebhookConfiguration`,
        metadata: { name: 'under-test' },
        webhooks: [
          {
            name: `test.${namespace}.example`,
            clientConfig: { service: { namespace, name: 'extension', path }, caBundle },
            rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] }],
            sideEffects: 'None',
            admissionReviewVersions: ['v1'],
            failurePolicy,
          },
        ],
      });
      return { [Symbol.asyncDispose]: () => kubectl.discard(`${kind}WebhookConfiguration`, 'under-test') };
    }

    test('a webhook denies a create, in its own words', async () => {
      await using _hook = await hook({ path: '/deny' });
      const { stderr } = await kubectl.run(['create', 'configmap', 'denied'], { code: 1 });
      assert.equal(
        stderr.trim(),
        'error: failed to create configmap: admission webhook "test.hooks.example" denied the request: kubernetes-admin may not CREATE in hooks',
      );
    });

    test('a mutating webhook changes what is stored', async () => {
      await using _hook = await hook({ path: '/label', kind: 'Mutating' });
      await kubectl.run(['create', 'configmap', 'changed']);
      assert.equal(await kubectl.text(['get', 'cm', 'changed', '-o', 'jsonpath={.metadata.labels.hooked}']), 'yes');
    });

    test('warnings reach the user', async () => {
      await using _hook = await hook({ path: '/warn' });
      const { stderr } = await kubectl.run(['create', 'configmap', 'warned']);
      assert.equal(stderr.trim(), 'Warning: be careful');
    });

    test('a certificate of another authority is refused, and the error names the hop', async () => {
      const { cluster: other } = await openClusterPki();
      const wrong = Buffer.from(other.certificatePem).toString('base64');
      await using _hook = await hook({ path: '/allow', caBundle: wrong });
      const { stderr } = await kubectl.run(['create', 'configmap', 'unverified'], { code: 1 });
      const tls = 'tls: failed to verify certificate: x509: certificate signed by unknown authority';
      const url = 'https://extension.hooks.svc/allow?timeout=10s';
      const failed = `failed calling webhook "test.hooks.example": failed to call webhook: Post "${url}": ${tls}`;
      assert.ok(stderr.includes(`${failed}: the caBundle does not cover it (pod hooks/extension at 127.`), stderr);
      assert.equal(/:8443, node node-1, route (\w+)/.exec(stderr)?.[1], route);
    });

    test('a redirect is not followed', async () => {
      await using _hook = await hook({ path: '/redirect' });
      const { stderr } = await kubectl.run(['create', 'configmap', 'elsewhere'], { code: 1 });
      assert.match(stderr, /the webhook answered with a redirect \(307\), which is not followed/);
    });

    test('a failure is passed over where the policy says so', async () => {
      await using _hook = await hook({ path: '/redirect', failurePolicy: 'Ignore' });
      await kubectl.run(['create', 'configmap', 'passed']);
    });
  });
}
