import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deploymentManifest, describeWithKubectls, podManifest, shellContainer, sleeper } from './with-cluster.ts';

interface Deployment {
  spec: { replicas: number };
  status: { readyReplicas?: number; observedGeneration?: number };
}

describeWithKubectls('workloads', (fixture) => {
  test('a deployment rolls out, scales, restarts and goes back', async () => {
    const { kubectl } = fixture;
    const version = (text: string) =>
      deploymentManifest('web', 2, [shellContainer('c', sleeper, { env: [{ name: 'V', value: text }] })]);
    await kubectl.apply(version('1'));
    assert.match(await kubectl.text(['rollout', 'status', 'deploy/web', '--timeout=60s']), /successfully rolled out/);
    await kubectl.run(['scale', 'deploy/web', '--replicas=3']);
    await kubectl.run(['scale', 'deploy/web', '--current-replicas=3', '--replicas=2']);
    await kubectl.run(['rollout', 'status', 'deploy/web', '--timeout=60s']);
    assert.equal((await kubectl.json<Deployment>(['get', 'deploy', 'web'])).spec.replicas, 2);

    await kubectl.apply(version('2'));
    await kubectl.run(['rollout', 'status', 'deploy/web', '--timeout=60s']);
    await kubectl.run(['rollout', 'restart', 'deploy/web']);
    await kubectl.run(['rollout', 'status', 'deploy/web', '--timeout=60s']);
    assert.match(await kubectl.text(['rollout', 'history', 'deploy/web']), /^3 +/m);
    await kubectl.run(['rollout', 'undo', 'deploy/web', '--to-revision=1']);
    await kubectl.run(['rollout', 'status', 'deploy/web', '--timeout=60s']);
    const env = await kubectl.text([
      'get',
      'deploy',
      'web',
      '-o',
      'jsonpath={.spec.template.spec.containers[0].env[0].value}',
    ]);
    assert.equal(env, '1');
    assert.match(await kubectl.text(['get', 'deploy', 'web']), /^web +2\/2 +2 +2 +/m);
    await kubectl.run(['delete', 'deploy', 'web']);
  });

  test('expose makes a service with endpoints of the ready pods', async () => {
    const { kubectl } = fixture;
    await kubectl.apply(podManifest('exposed', [shellContainer('c', sleeper, { ports: [{ containerPort: 8080 }] })]));
    await kubectl.run(['wait', '--for=condition=Ready', 'pod/exposed', '--timeout=60s']);
    await kubectl.run(['expose', 'pod', 'exposed', '--port=80', '--target-port=8080']);
    assert.match(
      await kubectl.text(['get', 'svc', 'exposed']),
      /^exposed +ClusterIP +10\.\d+\.\d+\.\d+ +<none> +80\/TCP/m,
    );
    const address = await kubectl.text(['get', 'pod', 'exposed', '-o', 'jsonpath={.status.podIP}']);
    const addresses = '-o=jsonpath={.subsets[0].addresses[0].ip}{"\\n"}';
    using endpoints = kubectl.start(['get', 'endpoints', '--field-selector=metadata.name=exposed', '-w', addresses]);
    await endpoints.printed(new RegExp(`^${address}$`, 'm'));
    assert.match(
      await kubectl.text(['get', 'endpointslices', '-l', 'kubernetes.io/service-name=exposed']),
      new RegExp(address),
    );
    await kubectl.run(['delete', 'pod/exposed', 'svc/exposed']);
  });

  test('a job completes and says so', async () => {
    const { kubectl } = fixture;
    await kubectl.apply({
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'counted' },
      spec: {
        completions: 2,
        parallelism: 2,
        template: { spec: { restartPolicy: 'Never', containers: [shellContainer('c', 'echo counted')] } },
      },
    });
    await kubectl.run(['wait', '--for=condition=Complete', 'job/counted', '--timeout=60s']);
    assert.match(await kubectl.text(['get', 'job', 'counted']), /Complete +2\/2/);
    assert.match(await kubectl.text(['logs', 'job/counted']), /counted/);
    await kubectl.run(['delete', 'job', 'counted']);
    await kubectl.run(['wait', '--for=delete', 'pod', '-l', 'job-name=counted', '--timeout=30s']);
  });

  test('a daemon set has a pod on every node', async () => {
    const { kubectl } = fixture;
    const { spec, ...rest } = deploymentManifest('everywhere', 1, [shellContainer('c', sleeper)]) as {
      spec: Record<string, unknown>;
    };
    const { replicas: _, ...daemonSpec } = spec;
    await kubectl.apply({ ...rest, kind: 'DaemonSet', spec: daemonSpec });
    await kubectl.run(['rollout', 'status', 'ds/everywhere', '--timeout=60s']);
    await kubectl.run(['delete', 'ds', 'everywhere']);
  });

  test('a pod that does not fit stays pending, and events say why', async () => {
    const { kubectl } = fixture;
    await kubectl.apply(
      podManifest('too-big', [shellContainer('c', sleeper, { resources: { requests: { cpu: '10000' } } })]),
    );
    const watch = kubectl.start(['events', '--for', 'pod/too-big', '--watch']);
    await watch.printed(/FailedScheduling.*0\/1 nodes are available: 1 Insufficient cpu/);
    await watch.interrupt();
    assert.match(await kubectl.text(['get', 'pod', 'too-big']), /Pending/);
    await kubectl.run(['delete', 'pod', 'too-big']);
  });

  test('an image that nobody knows gets ErrImagePull with what to do', async () => {
    const { kubectl } = fixture;
    await kubectl.apply(podManifest('imaged', [{ name: 'c', image: 'registry.example.com/some/thing:1' }]));
    await kubectl.run([
      'wait',
      'pod/imaged',
      '--for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=ErrImagePull',
      '--timeout=30s',
    ]);
    const message = await kubectl.text([
      'get',
      'pod',
      'imaged',
      '-o',
      'jsonpath={.status.containerStatuses[0].state.waiting.message}',
    ]);
    assert.match(message, /--process-image/);
    await kubectl.run(['delete', 'pod', 'imaged']);
  });
});

describeWithKubectls('nodes', (fixture) => {
  test('cordon, taint, drain and uncordon keep pods away', async () => {
    const { kubectl } = fixture;
    const node = await kubectl.text(['get', 'nodes', '-o', 'jsonpath={.items[0].metadata.name}']);
    await kubectl.apply(deploymentManifest('evicted', 1, [shellContainer('c', sleeper)]));
    await kubectl.run(['rollout', 'status', 'deploy/evicted', '--timeout=60s']);
    const first = await kubectl.text(['get', 'pod', '-l', 'app=evicted', '-o', 'name']);
    await kubectl.run(['cordon', node]);
    assert.match(await kubectl.text(['get', 'nodes']), /Ready,SchedulingDisabled/);
    await kubectl.run([
      'drain',
      node,
      '--ignore-daemonsets',
      '--delete-emptydir-data',
      '--force',
      '--pod-selector=app=evicted',
      '--timeout=60s',
    ]);
    await kubectl.run(['get', first], { code: 1 });
    await kubectl.run(['taint', 'nodes', node, 'closed=yes:NoSchedule']);
    await kubectl.run(['uncordon', node]);
    await kubectl.run(['taint', 'nodes', node, 'closed:NoSchedule-']);
    await kubectl.run(['rollout', 'status', 'deploy/evicted', '--timeout=60s']);
    await kubectl.run(['delete', 'deploy', 'evicted']);
  });
});
