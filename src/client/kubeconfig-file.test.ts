import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { clientConfigOf, formatKubeconfig, loadKubeconfig, parseKubeconfig } from './kubeconfig.ts';
import { mergeIntoKubeconfig, removeFromKubeconfig, writtenKubeconfig } from './kubeconfig-file.ts';

const entry = { name: 'fairlead-a', server: 'https://127.0.0.1:6443', ca: 'CA', token: 'secret' };
const foreign = `apiVersion: v1
kind: Config
clusters: [{name: other, cluster: {server: 'https://other', certificate-authority: ca.crt, extensions: [{name: x}]}}]
contexts: [{name: other, context: {cluster: other, user: other}}]
users: [{name: other, user: {exec: {command: login}}}]
current-context: other
`;

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'fairlead-'));
  try {
    await run(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('our entry is merged without a change to others, and is all that is removed', () =>
  inFolder(async (folder) => {
    const file = join(folder, 'config');
    await writeFile(file, foreign, { mode: 0o644 });
    const before = parseKubeconfig(foreign, file);
    await mergeIntoKubeconfig(file, entry);
    await mergeIntoKubeconfig(file, { ...entry, token: 'newer' });
    const merged = parseKubeconfig(await readFile(file, 'utf8'), file);
    assert.deepEqual(merged.clusters?.[0], before.clusters?.[0]);
    assert.deepEqual(merged.users?.[0], before.users?.[0]);
    assert.equal(merged.users?.length, 2);
    assert.equal(merged['current-context'], 'fairlead-a');
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.equal(await removeFromKubeconfig(file, 'fairlead-a'), true);
    assert.deepEqual(parseKubeconfig(await readFile(file, 'utf8'), file), { ...before, 'current-context': '' });
    assert.equal(await removeFromKubeconfig(file, 'fairlead-a'), false);
  }));

test('writers at the same time lose nothing', () =>
  inFolder(async (folder) => {
    const file = join(folder, 'config');
    const names = ['a', 'b', 'c', 'd', 'e'];
    await Promise.all(names.map((name) => mergeIntoKubeconfig(file, { ...entry, name }, { switchContext: false })));
    const { contexts } = parseKubeconfig(await readFile(file, 'utf8'), file);
    assert.deepEqual(contexts?.map(({ name }) => name).sort(), names);
  }));

test('of a list of files the first one that has a name wins, and the first one that exists is written', () =>
  inFolder(async (folder) => {
    const [first, second] = [join(folder, 'first'), join(folder, 'second')];
    await writeFile(second, formatKubeconfig(entry));
    const env = { KUBECONFIG: `${first}:${second}` };
    assert.equal(await writtenKubeconfig(env), second);
    await writeFile(first, formatKubeconfig({ ...entry, token: 'first' }));
    assert.equal(await writtenKubeconfig(env), first);
    const config = clientConfigOf(await loadKubeconfig({ env }));
    assert.deepEqual(config, { server: entry.server, ca: 'CA', token: 'first' });
  }));

test('a cluster without a certificate authority is refused', () => {
  const text = formatKubeconfig(entry);
  const insecure = parseKubeconfig(
    text.replace(/certificate-authority-data: .*/, 'insecure-skip-tls-verify: true'),
    'f',
  );
  assert.throws(() => clientConfigOf(insecure), { name: 'ConfigError' });
});
