import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeWithKubectls, podManifest, shellContainer, sleeper } from './with-cluster.ts';

describeWithKubectls('logs', (fixture) => {
  test('all, tail, since, limit, timestamps, of one and of all containers', async () => {
    const { kubectl } = fixture;
    await kubectl.apply(
      podManifest('logged', [
        shellContainer('one', `echo first; echo second >&2; ${sleeper}`),
        shellContainer('two', `echo other; ${sleeper}`),
      ]),
    );
    await kubectl.run(['wait', '--for=condition=Ready', 'pod/logged', '--timeout=60s']);
    using follow = kubectl.start(['logs', '-f', 'logged', '-c', 'one']);
    await follow.printed(/second\n/);
    const one = ['logs', 'logged', '-c', 'one'];
    assert.equal(await kubectl.text(one), follow.stdout.trimEnd());
    assert.deepEqual(follow.stdout.split('\n').sort(), ['', 'first', 'second']); // two streams have no order
    assert.equal((await kubectl.text([...one, '--tail=1'])).split('\n').length, 1);
    assert.equal(await kubectl.text([...one, '--tail=0']), '');
    assert.equal(await kubectl.text([...one, '--since=1h']), follow.stdout.trimEnd());
    assert.equal(await kubectl.text([...one, '--since-time=2999-01-01T00:00:00Z']), '');
    assert.equal((await kubectl.text([...one, '--limit-bytes=3'])).length, 3);
    assert.match(await kubectl.text([...one, '--timestamps']), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z first$/m);
    const all = await kubectl.text(['logs', 'logged', '--all-containers', '--prefix']);
    assert.match(all, /^\[pod\/logged\/one\] first$/m);
    assert.match(all, /^\[pod\/logged\/two\] other$/m);
    assert.match(await kubectl.text(['logs', '-l', 'app=logged', '-c', 'two']), /^other$/);
    const absent = await kubectl.run(['logs', 'logged', '-c', 'three'], { code: 1 });
    assert.match(absent.stderr, /container three is not valid for pod logged/);
    await kubectl.discard('pod/logged');
    assert.equal(await follow.ended, 0, 'logs -f ends with the container that it follows');
  });

  test('--previous gives the log of the run before, and logs -f goes with a run to its end', async () => {
    const { kubectl } = fixture;
    const script = 'echo run; while [ ! -e /go/$(cat /go/count)-end ]; do sleep 0.1; done; echo end; exit 1';
    // Each run writes its number where the test finds it, and ends when the test says so.
    const numbered = `echo $(( $(cat /go/count 2>/dev/null || echo 0) + 1 )) > /go/count; echo number $(cat /go/count); ${script}`;
    await kubectl.apply(
      podManifest('restarted', [shellContainer('c', numbered, { volumeMounts: [{ name: 'go', mountPath: '/go' }] })], {
        volumes: [{ name: 'go', emptyDir: {} }],
      }),
    );
    await kubectl.run(['wait', '--for=condition=Ready', 'pod/restarted', '--timeout=60s']);
    await kubectl.run(['logs', 'restarted', '--previous'], { code: 1 });
    using first = kubectl.start(['logs', '-f', 'restarted']);
    await first.printed(/number 1\nrun\n/);
    await kubectl.run(['exec', 'restarted', '--', 'touch', '/go/1-end']);
    await first.printed(/end\n/);
    assert.equal(await first.ended, 0);

    const restarts = '--for=jsonpath={.status.containerStatuses[0].restartCount}=1';
    await kubectl.run(['wait', 'pod/restarted', restarts, '--timeout=60s']);
    await kubectl.run(['wait', '--for=condition=Ready', 'pod/restarted', '--timeout=60s']);
    using second = kubectl.start(['logs', '-f', 'restarted']);
    assert.doesNotMatch(await second.printed(/number 2\nrun\n/), /number 1/);
    assert.equal(await kubectl.text(['logs', 'restarted', '--previous']), 'number 1\nrun\nend');
    await kubectl.discard('pod/restarted');
  });
});
