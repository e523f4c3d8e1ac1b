import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpsRequest } from 'node:https';
import type { Duplex } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { openClusterPki } from '../../src/pki/authority.ts';
import { createCluster, type TestCluster } from '../../src/testing/create-cluster.ts';
import { type Extension, startExtension } from './extension.ts';
import { Kubectl } from './kubectl.ts';
import { findKubectls } from './kubectl-binaries.ts';

const newest = findKubectls().at(-1);

for (const route of ['direct', 'tunnel'] as const) {
  describe(`an extension API server in a pod of a node reached by the route ${route}`, {
    skip: newest ? false : 'no kubectl',
  }, () => {
    const namespace = 'fruits';
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
      const ca = '{.data.requestheader-client-ca-file}';
      const name = 'extension-apiserver-authentication';
      const env = {
        REQUESTHEADER_CA: await kubectl.text(['get', 'cm', '-n', 'kube-system', name, '-o', `jsonpath=${ca}`]),
      };
      extension = await startExtension(kubectl, { namespace, env });
      await register(extension.caBundle);
      await kubectl.run(['wait', '--for=condition=Available', 'apiservice/v1.fruit.example', '--timeout=30s']);
    });
    after(() => resources.disposeAsync());

    function register(caBundle: string): Promise<unknown> {
      return kubectl.apply({
        apiVersion: 'apiregistration.k8s.io/v1',
        kind: 'APIService',
        metadata: { name: 'v1.fruit.example' },
        spec: {
          group: 'fruit.example',
          version: 'v1',
          groupPriorityMinimum: 1000,
          versionPriority: 15,
          service: { namespace, name: 'extension' },
          caBundle,
        },
      });
    }

    test('kubectl lists all APIServices, its own and the remote one', async () => {
      const table = await kubectl.text(['get', 'apiservices']);
      assert.match(table, /^v1\.apps +Local +True +\S+$/m);
      assert.match(table, /^v1\. +Local +True +\S+$/m);
      assert.match(table, /^v1\.fruit\.example +fruits\/extension +True +\S+$/m);
    });

    test('its resources are found by discovery and read with the caller named by the front proxy', async () => {
      assert.match(await kubectl.text(['api-resources']), /^berries +br +fruit\.example\/v1 +false +Berry$/m);
      assert.match(await kubectl.text(['api-versions']), /^fruit\.example\/v1$/m);
      const { spec } = await kubectl.json<{ spec: Record<string, string> }>(['get', 'br', 'blue']);
      assert.deepEqual(spec, {
        'x-remote-user': 'kubernetes-admin',
        'x-remote-group': 'system:masters, system:authenticated',
        authorization: null,
        'impersonate-user': null,
      });
    });

    test('who is impersonated is who is named, and nobody names himself', async () => {
      const as = ['get', 'berry', 'blue', '--as=jane', '--as-group=system:masters'];
      const { spec } = await kubectl.json<{ spec: Record<string, string> }>(as);
      assert.equal(spec['x-remote-user'], 'jane');
      assert.equal(spec['impersonate-user'], null);
    });

    test('who has no right to it is refused here', async () => {
      const { stderr } = await kubectl.run(['get', 'berries', '--as=jane'], { code: 1 });
      assert.match(stderr, /berries\.fruit\.example is forbidden: User "jane" cannot list resource "berries"/);
    });

    test('a watch goes on as long as both want it', async () => {
      const watching = kubectl.start(['get', '--raw', '/apis/fruit.example/v1/berries?watch=1']);
      await watching.printed(/"ADDED"[\s\S]*"MODIFIED"[\s\S]*"MODIFIED"/);
      watching[Symbol.dispose]();
    });

    test('kubectl explains its kinds', async () => {
      assert.match(await kubectl.text(['explain', 'berry']), /A berry is a fruit\./);
      const v2 = JSON.parse(await kubectl.text(['get', '--raw', '/openapi/v2']));
      assert.ok(v2.definitions['example.fruit.v1.Berry']);
      assert.ok(v2.paths['/apis/fruit.example/v1/berries']);
      assert.ok(v2.definitions['io.k8s.api.core.v1.Pod']);
    });

    test('an upgrade is passed on, and then bytes both ways', async () => {
      const field = (name: string) => {
        const [, value = ''] = new RegExp(`${name}: (\\S+)`).exec(cluster.kubeconfig) ?? [];
        return Buffer.from(value, 'base64');
      };
      const request = httpsRequest(`${cluster.server}/apis/fruit.example/v1/berries/blue/connect`, {
        ca: cluster.ca,
        cert: field('client-certificate-data'),
        key: field('client-key-data'),
        agent: false,
        headers: { connection: 'upgrade', upgrade: 'echo' },
      });
      request.end();
      const [, socket] = (await once(request, 'upgrade')) as [unknown, Duplex];
      let received = '';
      socket.on('data', (chunk) => {
        received += chunk;
        if (received === 'kubernetes-admin\n') socket.write('hello');
        if (received.endsWith('hello')) socket.end();
      });
      await once(socket, 'end');
      assert.equal(received, 'kubernetes-admin\nhello');
    });

    test('a redirect is not passed on', async () => {
      const { stderr } = await kubectl.run(['get', '--raw', '/apis/fruit.example/v1/moved'], { code: 1 });
      assert.match(stderr, /the backend attempted to redirect this request, which is not permitted/);
    });

    test('with a CA bundle that does not cover it, it is unavailable, and the condition names the hop', async () => {
      const { cluster: other } = await openClusterPki();
      await register(Buffer.from(other.certificatePem).toString('base64'));
      await kubectl.run(['wait', '--for=condition=Available=false', 'apiservice/v1.fruit.example', '--timeout=30s']);
      const path = 'jsonpath={.status.conditions[?(@.type=="Available")].message}';
      assert.match(
        await kubectl.text(['get', 'apiservice', 'v1.fruit.example', '-o', path]),
        /^failing or missing response from https:\/\/127\.[\d.]+:8443\/apis\/fruit\.example\/v1: tls: failed to verify certificate: x509: certificate signed by unknown authority: the caBundle does not cover it \(pod fruits\/extension at .*, node node-1/,
      );
      const { stderr } = await kubectl.run(['get', '--raw', '/apis/fruit.example/v1/berries'], { code: 1 });
      assert.match(stderr, /the server is currently unable to handle the request|service unavailable/);
      await kubectl.run(['get', 'pods']); // everything else is found as before
      await register(extension.caBundle);
      await kubectl.run(['wait', '--for=condition=Available', 'apiservice/v1.fruit.example', '--timeout=30s']);
    });

    test('without its Service it is unavailable', async () => {
      await kubectl.run(['delete', 'service', 'extension']);
      await kubectl.run(['wait', '--for=condition=Available=false', 'apiservice/v1.fruit.example', '--timeout=30s']);
      assert.match(await kubectl.text(['get', 'apiservice', 'v1.fruit.example']), /False \(ServiceNotFound\)/);
      await kubectl.run(['delete', 'apiservice', 'v1.fruit.example']);
      assert.doesNotMatch(await kubectl.text(['api-versions']), /fruit\.example/);
    });
  });
}
