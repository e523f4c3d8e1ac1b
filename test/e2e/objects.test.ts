import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deploymentManifest, describeWithKubectls, shellContainer, sleeper } from './with-cluster.ts';

interface ConfigMap {
  metadata: {
    name: string;
    uid: string;
    resourceVersion: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  data: Record<string, string>;
}

describeWithKubectls('objects', (fixture) => {
  const configMap = (name: string, data: Record<string, string>) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, labels: { app: name } },
    data,
  });

  test('apply creates, changes and then leaves alone', async () => {
    const { kubectl } = fixture;
    assert.match((await kubectl.apply(configMap('applied', { a: '1' }))).stdout, /configmap\/applied created/);
    assert.match((await kubectl.apply(configMap('applied', { a: '2' }))).stdout, /configmap\/applied configured/);
    assert.match((await kubectl.apply(configMap('applied', { a: '2' }))).stdout, /configmap\/applied unchanged/);
    assert.deepEqual((await kubectl.json<ConfigMap>(['get', 'cm', 'applied'])).data, { a: '2' });
  });

  test('create makes each kind that it has a generator for', async () => {
    const { kubectl } = fixture;
    await kubectl.run(['create', 'configmap', 'made', '--from-literal=k=v']);
    await kubectl.run(['create', 'secret', 'generic', 'made', '--from-literal=k=v']);
    await kubectl.run(['create', 'serviceaccount', 'made']);
    await kubectl.run(['create', 'role', 'made', '--verb=get', '--resource=pods']);
    await kubectl.run(['create', 'rolebinding', 'made', '--role=made', `--serviceaccount=${fixture.namespace}:made`]);
    await kubectl.run(['create', 'deployment', 'made', '--image=busybox', '--replicas=0']);
    await kubectl.run(['create', 'job', 'made', '--image=busybox', '--', 'true']);
    await kubectl.run(['create', 'cronjob', 'made', '--image=busybox', '--schedule=0 0 1 1 *', '--', 'true']);
    await kubectl.run(['create', 'service', 'clusterip', 'made', '--tcp=80:8080']);
    await kubectl.run(['create', 'ingress', 'made', '--rule=example.com/*=made:80']);
    await kubectl.run(['create', 'quota', 'made', '--hard=pods=100']);
    await kubectl.run(['create', 'poddisruptionbudget', 'made', '--selector=app=made', '--min-available=1']);
    const names = await kubectl.text([
      'get',
      'cm,secret,sa,role,rolebinding,deploy,job,cronjob,svc,ing,quota,pdb',
      '-o',
      'name',
    ]);
    assert.equal(names.split('\n').filter((line) => line.endsWith('/made')).length, 12, names);
  });

  test('get prints tables, YAML, JSON, names and JSONPath', async () => {
    const { kubectl } = fixture;
    await kubectl.apply(configMap('shown', { a: '1', b: '2' }));
    assert.match(await kubectl.text(['get', 'cm', 'shown']), /^NAME +DATA +AGE\nshown +2 +\S+$/);
    assert.match(await kubectl.text(['get', 'cm', 'shown', '-o', 'wide']), /^NAME +DATA +AGE/);
    assert.match(await kubectl.text(['get', 'cm', 'shown', '-o', 'yaml']), /^apiVersion: v1\ndata:\n {2}a: "1"\n/);
    assert.equal(await kubectl.text(['get', 'cm', 'shown', '-o', 'name']), 'configmap/shown');
    assert.equal(await kubectl.text(['get', 'cm', 'shown', '-o', 'jsonpath={.data.b}']), '2');
    assert.equal(await kubectl.text(['get', 'cm', '-l', 'app=shown', '-o', 'name']), 'configmap/shown');
    assert.equal(
      await kubectl.text(['get', 'cm', '--field-selector=metadata.name=shown', '-o', 'name']),
      'configmap/shown',
    );
    assert.match(
      (await kubectl.run(['get', 'cm', 'absent'], { code: 1 })).stderr,
      /Error from server \(NotFound\): configmaps "absent" not found/,
    );
    await kubectl.run(['get', 'all']);
    await kubectl.run(['get', 'pods', '-A']);
  });

  test('get -w shows changes as they come', async () => {
    const { kubectl } = fixture;
    await kubectl.apply(configMap('watched', { a: '1' }));
    const watch = kubectl.start(['get', 'cm', 'watched', '-w', '-o', 'jsonpath={.data.a}{"\\n"}']);
    await watch.printed(/1\n/);
    await kubectl.apply(configMap('watched', { a: '2' }));
    await watch.printed(/1\n2\n/);
    await watch.interrupt();
  });

  test('describe tells of the object', async () => {
    const { kubectl } = fixture;
    await kubectl.apply(configMap('described', { a: '1' }));
    assert.match(await kubectl.text(['describe', 'cm', 'described']), /Name: +described\n[\s\S]*Data\n====\na:\n/);
    assert.match(await kubectl.text(['describe', 'node']), /Conditions:\n[\s\S]*Ready +True/);
    assert.match(await kubectl.text(['describe', 'ns', fixture.namespace]), /Status: +Active/);
  });

  test('edit, replace and all three kinds of patch change the object', async () => {
    const { kubectl } = fixture;
    await kubectl.apply(configMap('changed', { a: '1' }));
    const editor = kubectl.file('editor.sh', '#!/bin/sh\nsed -i \'s/a: "1"/a: "edited"/\' "$1"\n');
    await kubectl.run(['edit', 'cm', 'changed'], { env: { KUBE_EDITOR: `sh ${editor}` } });
    const data = async () => (await kubectl.json<ConfigMap>(['get', 'cm', 'changed'])).data;
    assert.deepEqual(await data(), { a: 'edited' });
    await kubectl.run(['patch', 'cm', 'changed', '--type=strategic', '-p', '{"data":{"b":"s"}}']);
    await kubectl.run(['patch', 'cm', 'changed', '--type=merge', '-p', '{"data":{"a":null}}']);
    await kubectl.run(['patch', 'cm', 'changed', '--type=json', '-p', '[{"op":"add","path":"/data/c","value":"j"}]']);
    assert.deepEqual(await data(), { b: 's', c: 'j' });
    await kubectl.run(['replace', '-f', '-'], { stdin: JSON.stringify(configMap('changed', { r: '1' })) });
    assert.deepEqual(await data(), { r: '1' });
  });

  test('label and annotate set and remove', async () => {
    const { kubectl } = fixture;
    await kubectl.apply(configMap('marked', {}));
    await kubectl.run(['label', 'cm', 'marked', 'tier=one']);
    await kubectl.run(['annotate', 'cm', 'marked', 'note=two']);
    const { metadata } = await kubectl.json<ConfigMap>(['get', 'cm', 'marked']);
    assert.equal(metadata.labels?.['tier'], 'one');
    assert.equal(metadata.annotations?.['note'], 'two');
    await kubectl.run(['label', 'cm', 'marked', 'tier-']);
    assert.equal((await kubectl.json<ConfigMap>(['get', 'cm', 'marked'])).metadata.labels?.['tier'], undefined);
  });

  test('a wrong field is refused with its path, and dry runs write nothing', async () => {
    const { kubectl } = fixture;
    const wrong = { ...configMap('wrong', {}), dat: {} };
    assert.match(
      (await kubectl.run(['apply', '-f', '-'], { stdin: JSON.stringify(wrong), code: 1 })).stderr,
      /unknown field "dat"/,
    );
    await kubectl.run(['apply', '--dry-run=server', '-f', '-'], { stdin: JSON.stringify(configMap('dry', {})) });
    await kubectl.run(['get', 'cm', 'dry'], { code: 1 });
  });

  test('delete honours finalizers, cascades and force', async () => {
    const { kubectl } = fixture;
    const held = configMap('held', {});
    await kubectl.apply({ ...held, metadata: { ...held.metadata, finalizers: ['example.com/hold'] } });
    await kubectl.run(['delete', 'cm', 'held', '--wait=false']);
    assert.notEqual(await kubectl.text(['get', 'cm', 'held', '-o', 'jsonpath={.metadata.deletionTimestamp}']), '');
    await kubectl.run(['patch', 'cm', 'held', '--type=merge', '-p', '{"metadata":{"finalizers":null}}']);
    await kubectl.run(['wait', '--for=delete', 'cm/held', '--timeout=20s']);

    const workload = (name: string) => deploymentManifest(name, 1, [shellContainer('c', sleeper)]);
    for (const cascade of ['background', 'foreground']) {
      await kubectl.apply(workload(`gone-${cascade}`));
      await kubectl.run(['rollout', 'status', `deploy/gone-${cascade}`, '--timeout=60s']);
      await kubectl.run(['delete', 'deploy', `gone-${cascade}`, `--cascade=${cascade}`]);
      await kubectl.run(['wait', '--for=delete', 'pod', '-l', `app=gone-${cascade}`, '--timeout=60s']);
    }
    await kubectl.apply(workload('orphaned'));
    await kubectl.run(['rollout', 'status', 'deploy/orphaned', '--timeout=60s']);
    await kubectl.run(['delete', 'deploy', 'orphaned', '--cascade=orphan']);
    assert.match(await kubectl.text(['get', 'rs', '-l', 'app=orphaned', '-o', 'name']), /replicaset/);
    await kubectl.run(['delete', 'rs', '-l', 'app=orphaned']);
    await kubectl.run(['delete', 'pod', '-l', 'app=orphaned', '--force', '--grace-period=0']);
  });

  test('a namespace goes with all that is in it', async () => {
    const { kubectl, namespace } = fixture;
    const doomed = `${namespace}-doomed`;
    await kubectl.run(['create', 'namespace', doomed]);
    await kubectl.run(['-n', doomed, 'create', 'configmap', 'inside']);
    await kubectl.run(['delete', 'namespace', doomed, '--timeout=60s']);
    await kubectl.run(['get', 'namespace', doomed], { code: 1 });
  });
});
