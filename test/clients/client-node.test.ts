import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import * as k8s from '@kubernetes/client-node';
import { serviceAccounts } from '../../src/client/resources.ts';
import { createCluster, type TestCluster } from '../../src/testing/create-cluster.ts';

const namespace = 'default';
const configMap = (name: string, data: Record<string, string> = {}): k8s.V1ConfigMap => ({
  metadata: { name, labels: { app: 'demo' } },
  data,
});

describe('@kubernetes/client-node', () => {
  let cluster: TestCluster;
  let config: k8s.KubeConfig;
  let core: k8s.CoreV1Api;
  before(async () => {
    // A short memory of events, so that a client can be too late.
    cluster = await createCluster({ apiServer: { watch: { windowMs: 1, minWindowEvents: 1, maxWindowEvents: 10 } } });
    const node = await cluster.addNode({
      runtime: 'simulated',
      exec: async (_container, { command, stdin, stdout, stderr }) => {
        if (command[0] === 'cat' && stdin) stdout?.write(await text(stdin));
        if (command[0] === 'both') {
          stdout?.write('out');
          stderr?.write('err');
        }
        return command[0] === 'fail' ? 3 : 0;
      },
      logs: async function* (_container, { follow }) {
        yield 'one';
        yield 'two';
        if (follow) yield 'followed';
      },
      portForward: (_pod, { port, stream }) => {
        stream.on('data', (chunk: Buffer) => stream.write(`${port}:${chunk}`));
      },
    });
    config = new k8s.KubeConfig();
    config.loadFromString(cluster.kubeconfig);
    core = config.makeApiClient(k8s.CoreV1Api);
    const options = { namespace, fieldSelector: 'metadata.name=default' };
    for await (const event of cluster.client.watch(serviceAccounts, options)) if (event.type === 'ADDED') break;
    await core.createNamespacedPod({
      namespace,
      body: { metadata: { name: 'web' }, spec: { nodeName: node.name, containers: [{ name: 'c', image: 'x' }] } },
    });
    await untilWatched(config, '/api/v1/namespaces/default/pods', (pod: k8s.V1Pod) => pod.status?.phase === 'Running');
  });
  after(() => cluster[Symbol.asyncDispose]());

  test('creates, reads, replaces, lists and deletes', async () => {
    const created = await core.createNamespacedConfigMap({ namespace, body: configMap('crud', { a: '1' }) });
    assert.ok(created.metadata?.creationTimestamp instanceof Date);
    const read = await core.readNamespacedConfigMap({ namespace, name: 'crud' });
    assert.deepEqual(read.data, { a: '1' });
    const replaced = await core.replaceNamespacedConfigMap({
      namespace,
      name: 'crud',
      body: { ...read, data: { a: '2' } },
    });
    assert.deepEqual(replaced.data, { a: '2' });
    const stale = core.replaceNamespacedConfigMap({ namespace, name: 'crud', body: { ...read, data: { a: '3' } } });
    await assert.rejects(stale, (error: k8s.ApiException<string>) => error.code === 409);
    const { items } = await core.listNamespacedConfigMap({ namespace, fieldSelector: 'metadata.name=crud' });
    assert.equal(items.length, 1);
    await core.deleteNamespacedConfigMap({ namespace, name: 'crud' });
    const gone = core.readNamespacedConfigMap({ namespace, name: 'crud' });
    await assert.rejects(
      gone,
      (error: k8s.ApiException<string>) =>
        error.code === 404 && /configmaps \\?"crud\\?" not found/.test(String(error.body)),
    );
  });

  test('lists in pages that are one state', async () => {
    for (let index = 0; index < 7; index++) {
      await core.createNamespacedConfigMap({
        namespace,
        body: { ...configMap(`page-${index}`), metadata: { name: `page-${index}`, labels: { app: 'pages' } } },
      });
    }
    const names: string[] = [];
    const sizes: number[] = [];
    let next: string | undefined;
    do {
      const page = await core.listNamespacedConfigMap({
        namespace,
        labelSelector: 'app=pages',
        limit: 3,
        ...(next && { _continue: next }),
      });
      names.push(...page.items.map(({ metadata }) => metadata?.name ?? ''));
      sizes.push(page.items.length);
      next = page.metadata?._continue;
    } while (next);
    assert.deepEqual(sizes, [3, 3, 1]);
    assert.deepEqual(
      names,
      Array.from({ length: 7 }, (_, index) => `page-${index}`),
    );
  });

  test('patches in each way', async () => {
    await core.createNamespacedConfigMap({ namespace, body: configMap('patched', { a: '1', b: '2' }) });
    const patch = (body: object, type: string) =>
      core.patchNamespacedConfigMap({ namespace, name: 'patched', body }, k8s.setHeaderOptions('Content-Type', type));
    assert.deepEqual(
      (await patch([{ op: 'replace', path: '/data/a', value: 'x' }], k8s.PatchStrategy.JsonPatch)).data,
      { a: 'x', b: '2' },
    );
    assert.deepEqual((await patch({ data: { b: null } }, k8s.PatchStrategy.MergePatch)).data, { a: 'x' });
    const strategic = await patch(
      { metadata: { finalizers: ['example.com/a'] } },
      k8s.PatchStrategy.StrategicMergePatch,
    );
    assert.deepEqual(strategic.metadata?.finalizers, ['example.com/a']);
    await patch([{ op: 'remove', path: '/metadata/finalizers' }], k8s.PatchStrategy.JsonPatch);
  });

  test('watches', async () => {
    const { metadata } = await core.listNamespacedConfigMap({ namespace });
    const seen: string[] = [];
    const done = Promise.withResolvers<void>();
    const watch = new k8s.Watch(config);
    const controller = await watch.watch(
      '/api/v1/namespaces/default/configmaps',
      { resourceVersion: metadata?.resourceVersion ?? '', fieldSelector: 'metadata.name=seen' },
      (phase, object: k8s.V1ConfigMap) => {
        seen.push(`${phase} ${object.metadata?.name}`);
        if (phase === 'DELETED') done.resolve();
      },
      () => {},
    );
    await core.createNamespacedConfigMap({ namespace, body: configMap('seen') });
    await core.deleteNamespacedConfigMap({ namespace, name: 'seen' });
    await done.promise;
    controller.abort();
    assert.deepEqual(seen, ['ADDED seen', 'DELETED seen']);
  });

  test('an informer that comes back too late lists again', async () => {
    const path = '/api/v1/namespaces/default/configmaps';
    const listed: string[] = [];
    const informer = k8s.makeInformer<k8s.V1ConfigMap>(
      config,
      path,
      async () => {
        const list = await core.listNamespacedConfigMap({ namespace, labelSelector: 'app=demo' });
        listed.push(list.metadata?.resourceVersion ?? '');
        return list;
      },
      'app=demo',
    );
    const has = (name: string) =>
      new Promise<void>((resolve) => {
        if (informer.get(name, namespace)) return resolve();
        informer.on('add', (object) => object.metadata?.name === name && resolve());
      });
    await informer.start();
    await core.createNamespacedConfigMap({ namespace, body: configMap('first') });
    await has('first');
    await informer.stop();
    assert.equal(listed.length, 1);
    for (let index = 0; index < 30; index++)
      await core.createNamespacedConfigMap({ namespace, body: configMap(`late-${index}`) });
    await informer.start();
    await has('late-0');
    await has('late-29');
    assert.equal(listed.length, 2, 'the watch answered 410 and the list was asked for again');
    await core.createNamespacedConfigMap({ namespace, body: configMap('second') });
    await has('second');
    await informer.stop();
  });

  test('runs commands: standard input, both outputs, the exit code', async () => {
    const exec = new k8s.Exec(config);
    const run = async (command: string[], input?: string) => {
      const [stdout, stderr] = [new PassThrough(), new PassThrough()];
      const [out, err] = [text(stdout), text(stderr)];
      const status = await new Promise<k8s.V1Status>((resolve, reject) => {
        exec
          .exec(
            namespace,
            'web',
            'c',
            command,
            stdout,
            stderr,
            input === undefined ? null : Readable.from([input]),
            false,
            resolve,
          )
          .catch(reject);
      });
      stdout.end();
      stderr.end();
      return { status, out: await out, err: await err };
    };
    const both = await run(['both']);
    assert.deepEqual([both.status.status, both.out, both.err], ['Success', 'out', 'err']);
    const failed = await run(['fail']);
    assert.equal(failed.status.status, 'Failure');
    assert.deepEqual(failed.status.details?.causes, [{ reason: 'ExitCode', message: '3' }]);
    const echoed = await run(['cat'], 'hello\n');
    assert.deepEqual([echoed.status.status, echoed.out], ['Success', 'hello\n']);
  });

  test('attaches', async () => {
    const stdout = new PassThrough();
    const socket = await new k8s.Attach(config).attach(namespace, 'web', 'c', stdout, null, null, false);
    socket.close();
    await new Promise((resolve) => socket.once('close', resolve));
  });

  test('reads and follows logs', async () => {
    assert.equal(await core.readNamespacedPodLog({ namespace, name: 'web' }), 'one\ntwo\n');
    assert.equal(await core.readNamespacedPodLog({ namespace, name: 'web', tailLines: 1 }), 'two\n');
    const stream = new PassThrough();
    await new k8s.Log(config).log(namespace, 'web', 'c', stream, { follow: true });
    assert.equal(await text(stream), 'one\ntwo\nfollowed\n');
  });

  test('forwards a port', async () => {
    const output = new PassThrough();
    const input = new PassThrough();
    const socket = await new k8s.PortForward(config).portForward(namespace, 'web', [8080], output, null, input);
    input.write('ping');
    const [answer] = await new Promise<Buffer[]>((resolve) => output.once('data', (chunk: Buffer) => resolve([chunk])));
    assert.equal(String(answer), '8080:ping');
    (typeof socket === 'function' ? socket() : socket)?.close();
    input.end();
  });

  test('of two candidates one holds the Lease, and the other takes it over', async () => {
    const coordination = config.makeApiClient(k8s.CoordinationV1Api);
    const body = { metadata: { name: 'leader' }, spec: { leaseDurationSeconds: 1, renewTime: new k8s.V1MicroTime() } };
    const lease = await coordination.createNamespacedLease({ namespace, body });
    const claim = async (holderIdentity: string, from: k8s.V1Lease): Promise<k8s.V1Lease | undefined> => {
      const spec = { ...from.spec, holderIdentity, acquireTime: new k8s.V1MicroTime() };
      return coordination
        .replaceNamespacedLease({ namespace, name: 'leader', body: { ...from, spec } })
        .catch((error: k8s.ApiException<string>) => {
          if (error.code === 409) return undefined;
          throw error;
        });
    };
    const results = await Promise.all(['a', 'b'].map((name) => claim(name, lease)));
    const [winner] = results.filter((result) => result !== undefined);
    assert.equal(results.filter((result) => result === undefined).length, 1);
    const { spec } = await coordination.readNamespacedLease({ namespace, name: 'leader' });
    assert.equal(spec?.holderIdentity, winner?.spec?.holderIdentity);
    const loser = spec?.holderIdentity === 'a' ? 'b' : 'a';
    assert.ok(winner);
    const taken = await claim(loser, await coordination.readNamespacedLease({ namespace, name: 'leader' }));
    assert.equal(taken?.spec?.holderIdentity, loser);
    assert.equal(await claim(spec?.holderIdentity ?? '', winner), undefined, 'the old holder is too late');
  });

  test('finds out how objects of any kind are addressed', async () => {
    const objects = k8s.KubernetesObjectApi.makeApiClient(config);
    const deployment = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'found', namespace },
      spec: {
        replicas: 0,
        selector: { matchLabels: { a: 'b' } },
        template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'x' }] } },
      },
    };
    await objects.create(deployment);
    const read = await objects.read<k8s.V1Deployment>({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'found', namespace },
    });
    assert.equal(read.spec?.replicas, 0);
    const patched = await objects.patch(
      { ...deployment, spec: { replicas: 1 } },
      undefined,
      undefined,
      undefined,
      undefined,
      k8s.PatchStrategy.MergePatch,
    );
    assert.equal((patched as k8s.V1Deployment).spec?.replicas, 1);
    const list = await objects.list('v1', 'Namespace');
    assert.ok(list.items.some(({ metadata }) => metadata?.name === 'kube-system'));
    await objects.delete({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'found', namespace } });
  });

  test('works with what a pod has: a token, a CA file and a namespace', async () => {
    const { status } = await core.createNamespacedServiceAccountToken({
      namespace,
      name: 'default',
      body: { spec: { audiences: [], expirationSeconds: 600 } },
    });
    const directory = mkdtempSync(join(tmpdir(), 'fairlead-in-cluster-'));
    try {
      writeFileSync(join(directory, 'token'), status?.token ?? '');
      writeFileSync(join(directory, 'ca.crt'), cluster.ca);
      const inside = new k8s.KubeConfig();
      inside.loadFromOptions({
        clusters: [
          { name: 'inCluster', server: cluster.server, caFile: join(directory, 'ca.crt'), skipTLSVerify: false },
        ],
        users: [
          {
            name: 'inClusterUser',
            authProvider: { name: 'tokenFile', config: { tokenFile: join(directory, 'token') } },
          },
        ],
        contexts: [{ name: 'inCluster', cluster: 'inCluster', user: 'inClusterUser', namespace }],
        currentContext: 'inCluster',
      });
      const review = await inside.makeApiClient(k8s.AuthenticationV1Api).createSelfSubjectReview({ body: {} });
      assert.equal(review.status?.userInfo?.username, 'system:serviceaccount:default:default');
      const refused = inside.makeApiClient(k8s.CoreV1Api).listNamespacedSecret({ namespace });
      await assert.rejects(refused, (error: k8s.ApiException<string>) => error.code === 403);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

/** Watches until an object is as wanted. */
async function untilWatched<T>(config: k8s.KubeConfig, path: string, until: (object: T) => boolean): Promise<void> {
  const found = Promise.withResolvers<void>();
  const controller = await new k8s.Watch(config).watch(
    path,
    {},
    (_phase, object: T) => until(object) && found.resolve(),
    () => {},
  );
  await found.promise;
  controller.abort();
}
