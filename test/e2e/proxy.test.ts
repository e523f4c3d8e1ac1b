import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import type { Kubectl } from './kubectl.ts';
import { describeWithKubectls, podManifest } from './with-cluster.ts';

const run = promisify(execFile);

interface NodeList {
  items: { metadata: { name: string }; spec: { podCIDRs?: string[] } }[];
}

const server = { name: 'c', image: 'fairlead/demo', ports: [{ name: 'http', containerPort: 8080 }] };

/** A pod that answers with a page about itself and its last requests, and a Service in front of it. */
async function startServer(kubectl: Kubectl, name: string): Promise<void> {
  await kubectl.apply(podManifest(name, [server]), {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { selector: { app: name }, ports: [{ name: 'web', port: 80, targetPort: 'http' }] },
  });
  await kubectl.run(['wait', '--for=condition=Ready', `pod/${name}`, '--timeout=60s']);
}

/** Ready is not listening yet, and a slice follows its pod. */
async function getRaw(kubectl: Kubectl, path: string): Promise<{ stdout: string; stderr: string }> {
  for (let tries = 0; ; tries++) {
    const { code, stdout, stderr } = await kubectl.run(['get', '--raw', path], { code: 'any' });
    if (code === 0) return { stdout, stderr };
    if (tries === 100 || !/ECONNREFUSED|no endpoints available/.test(stderr)) throw new Error(stderr);
  }
}

describeWithKubectls('proxy', (fixture) => {
  test('get --raw reaches a pod and a service, and warns that nothing was verified', async () => {
    const { kubectl, namespace } = fixture;
    await startServer(kubectl, 'page');
    const base = `/api/v1/namespaces/${namespace}`;
    for (const target of [
      'pods/page',
      'pods/page:8080',
      'pods/http:page:8080',
      'services/page:80',
      'services/page:web',
      'services/http:page:web',
    ]) {
      const { stdout, stderr } = await getRaw(kubectl, `${base}/${target}/proxy/from/${target}?x=1`);
      assert.match(stdout, /^Hello from pod page$/m);
      assert.match(stdout, new RegExp(`GET /from/${target}\\?x=1$`, 'm'));
      assert.match(stderr, /^Warning: \w+ ".*page.*" was reached by plain HTTP/m);
    }
    const body = kubectl.file('body.json', '{"kind":"Any","apiVersion":"v1"}');
    await kubectl.run(['create', '--raw', `${base}/pods/page/proxy/made`, '-f', body]);
    await kubectl.run(['replace', '--raw', `${base}/pods/page/proxy/replaced`, '-f', body]);
    await kubectl.run(['delete', '--raw', `${base}/pods/page/proxy/removed`]);
    const log = await kubectl.text(['logs', 'page']);
    assert.match(log, / POST \/made$/m);
    assert.match(log, / PUT \/replaced$/m);
    assert.match(log, / DELETE \/removed$/m);
  });

  test('get --raw says what is wrong with what cannot be reached', async () => {
    const { kubectl, namespace } = fixture;
    const base = `/api/v1/namespaces/${namespace}`;
    await kubectl.run(['create', 'service', 'clusterip', 'empty', '--tcp=80:8080']);
    for (const [path, message] of [
      [`${base}/pods/none/proxy/`, /pods "none" not found/],
      [`${base}/services/empty:80-8080/proxy/`, /no endpoints available for service "empty(:80-8080)?"/],
      [`${base}/services/empty:9/proxy/`, /no service port 9 found for service "empty"/],
      [`${base}/services/ftp:empty:21/proxy/`, /invalid service request/],
    ] as const) {
      const { stderr } = await kubectl.run(['get', '--raw', path], { code: 1 });
      assert.match(stderr, message);
    }
    await kubectl.run(['delete', 'service', 'empty']);
  });

  test('get --raw reads what a node tells about itself', async () => {
    const { kubectl } = fixture;
    const { items } = await kubectl.json<NodeList>(['get', 'nodes']);
    const [node] = items;
    assert.ok(node?.spec.podCIDRs?.length, 'the node has recorded its pod range');
    const base = `/api/v1/nodes/${node.metadata.name}/proxy`;
    const read = async (path: string) => {
      const { stdout, stderr } = await kubectl.run(['get', '--raw', base + path]);
      assert.doesNotMatch(stderr, /Warning/); // the kubelet has proved which node it is
      return stdout;
    };
    assert.equal(await read('/healthz'), 'ok');
    assert.match(await read('/metrics'), /^# TYPE /m);
    assert.match(await read('/metrics/resource'), /^# TYPE /m);
    assert.equal(JSON.parse(await read('/pods')).kind, 'PodList');
    assert.equal(JSON.parse(await read('/stats/summary')).node.nodeName, node.metadata.name);
    assert.ok('kubeletconfig' in JSON.parse(await read('/configz')));
    const { stderr } = await kubectl.run(['get', '--raw', `${base}/none`], { code: 1 });
    assert.match(stderr, /the server could not find the requested resource|404/);
  });

  test('kubectl proxy carries curl to a pod and to a node', async () => {
    const { kubectl, namespace } = fixture;
    await startServer(kubectl, 'curled');
    const path = `/api/v1/namespaces/${namespace}/services/curled:web/proxy/`;
    await getRaw(kubectl, path);
    using proxy = kubectl.start(['proxy', '--port=0']);
    const [, port] = /127\.0\.0\.1:(\d+)/.exec(await proxy.printed(/127\.0\.0\.1:\d+/)) ?? [];
    const url = `http://127.0.0.1:${port}`;
    const curl = async (...args: string[]) => (await run('curl', ['-sS', ...args])).stdout;
    assert.match(await curl(`${url}${path}some/page?a=b&c=d`), /GET \/some\/page\?a=b&c=d$/m);
    assert.match(await curl('-L', `${url}${path.slice(0, -1)}`), /^Hello from pod curled$/m);
    assert.match(await curl('-X', 'PATCH', '--data', 'x', `${url}${path}patched`), /PATCH \/patched$/m);
    assert.match(await curl('-I', `${url}${path.slice(0, -1)}?q=1`), /^Location: .*\/proxy\/\?q=1\r$/im);
    const [node] = (await kubectl.json<NodeList>(['get', 'nodes'])).items;
    assert.equal(await curl(`${url}/api/v1/nodes/${node?.metadata.name}/proxy/healthz`), 'ok');
  });
});
