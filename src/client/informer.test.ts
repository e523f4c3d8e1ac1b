import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from '../api/errors.ts';
import type { KubeObject } from '../api/object.ts';
import type { ApiClient, ResourceRef, WatchEvent, WatchOptions } from './client.ts';
import { Informer } from './informer.ts';
import { pods } from './resources.ts';

type Script = (WatchEvent<KubeObject> | Error)[];

/** A client whose watches play one script after the other; the last one stays open. */
function scripted(scripts: Script[], asked: WatchOptions[]): ApiClient {
  async function* watch(_: ResourceRef, options: WatchOptions) {
    const script = scripts[asked.push(options) - 1];
    for (const step of script ?? []) {
      if (step instanceof Error) throw step;
      yield step;
    }
    if (asked.length < scripts.length) return;
    await new Promise((_, reject) => options.signal?.addEventListener('abort', () => reject(options.signal?.reason)));
  }
  return { server: '', watch } as unknown as ApiClient; // Only watch is used.
}

const pod = (name: string, resourceVersion: string, uid = name): KubeObject => ({
  metadata: { name, namespace: 'default', uid, resourceVersion },
});
const end = (resourceVersion: string): WatchEvent<KubeObject> => ({
  type: 'BOOKMARK',
  object: { metadata: { resourceVersion, annotations: { 'k8s.io/initial-events-end': 'true' } } },
});

async function play(scripts: Script[], last: string) {
  const asked: WatchOptions[] = [];
  const seen: string[] = [];
  await using informer = new Informer({ client: scripted(scripts, asked), resource: pods });
  await new Promise<void>((resolve) => {
    informer.subscribe(({ type, object }) => {
      seen.push(`${type} ${object.metadata?.name}`);
      if (seen.at(-1) === last) resolve();
    });
  });
  return { asked, seen, names: [...informer.values()].map(({ metadata }) => metadata?.name) };
}

test('nothing is told before the list is complete, and later events follow', async () => {
  const { seen, names } = await play(
    [
      [
        { type: 'ADDED', object: pod('a', '1') },
        { type: 'ADDED', object: pod('b', '2') },
        { type: 'DELETED', object: pod('b', '3') },
        end('3'),
        { type: 'MODIFIED', object: pod('a', '4') },
      ],
    ],
    'updated a',
  );
  assert.deepEqual(seen, ['added a', 'updated a']);
  assert.deepEqual(names, ['a']);
});

test('a watch that ended goes on from the last resource version, bookmarks included', async () => {
  const first: Script = [end('5'), { type: 'BOOKMARK', object: { metadata: { resourceVersion: '9' } } }];
  const { asked } = await play([first, [{ type: 'ADDED', object: pod('a', '10') }]], 'added a');
  assert.equal(asked[0]?.sendInitialEvents, true);
  assert.deepEqual([asked[1]?.resourceVersion, asked[1]?.sendInitialEvents], ['9', undefined]);
});

test('after 410 the list is compared with what was known', async () => {
  const gone = new ApiError('Expired', 'too old');
  const { seen } = await play(
    [
      [
        { type: 'ADDED', object: pod('a', '1') },
        { type: 'ADDED', object: pod('b', '1') },
        { type: 'ADDED', object: pod('c', '1') },
        end('1'),
        gone,
      ],
      [
        { type: 'ADDED', object: pod('b', '7') },
        { type: 'ADDED', object: pod('c', '1') },
        end('8'),
        { type: 'ADDED', object: pod('z', '9') },
      ],
    ],
    'added z',
  );
  assert.deepEqual(seen, ['added a', 'added b', 'added c', 'deleted a', 'updated b', 'added z']);
});

test('another uid under the same name is a deletion and an addition', async () => {
  const { seen } = await play(
    [
      [
        { type: 'ADDED', object: pod('a', '1') },
        end('1'),
        { type: 'MODIFIED', object: pod('a', '2', 'other') },
        { type: 'ADDED', object: pod('z', '3') },
      ],
    ],
    'added z',
  );
  assert.deepEqual(seen, ['added a', 'deleted a', 'added a', 'added z']);
});
