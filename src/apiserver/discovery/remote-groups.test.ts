import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeGroups, type RemoteGroup } from './remote-groups.ts';

const priorities = {
  group: (name: string) => ({ apps: 300, batch: 200 })[name] ?? 0,
  version: (_group: string, version: string) => (version === 'v1' ? 15 : 9),
};
const local = ['apps', 'batch'].map((name) => ({ name, versions: [{ version: 'v1', resources: [] }] }));

function remote(name: string, priority: number, ...versions: [string, number][]): RemoteGroup {
  const all = versions.map(([version, own]) => ({ version, priority: own, resources: [], current: true }));
  return { name, priority, versions: all };
}

test('groups of others stand where their priority puts them; one group may have versions of both', () => {
  const merged = mergeGroups(
    local,
    [
      remote('high', 400, ['v1', 1]),
      remote('middle', 250, ['v2', 2], ['v1', 1]),
      remote('apps', 100, ['v2', 20], ['v0', 1]),
    ],
    priorities,
  );
  const shown = merged.map(({ name, versions }) => [
    name,
    ...versions.map(({ kind, version }) => `${version} ${kind}`),
  ]);
  assert.deepEqual(shown, [
    ['high', 'v1 remote'],
    ['apps', 'v2 remote', 'v1 local', 'v0 remote'],
    ['middle', 'v2 remote', 'v1 remote'],
    ['batch', 'v1 local'],
  ]);
});
