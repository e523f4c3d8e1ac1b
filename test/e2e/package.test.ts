import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startUp } from './fairlead-process.ts';
import { Kubectl } from './kubectl.ts';
import { newestKubectl } from './kubectl-binaries.ts';
import { processesWith } from './processes.ts';

const root = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'fairlead-package-'));
const app = join(folder, 'app');

/** The PATH of the machine: npm puts the Node.js that this package brings in front. */
const machinePath = (process.env['PATH'] ?? '')
  .split(':')
  .filter((entry) => !entry.includes('node_modules'))
  .join(':');

before(
  () => {
    run(root, 'npm', ['pack', '--silent', '--pack-destination', folder]);
    const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'));
    assert.ok(tarball, 'npm pack made a tarball');
    mkdirSync(app);
    writeFileSync(join(app, 'package.json'), '{"private":true}');
    run(app, 'npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', join(folder, tarball)]);
  },
  { timeout: 300_000 },
);

after(() => rmSync(folder, { recursive: true, force: true }));

test('the package carries no sources and no tests', () => {
  const entries = readdirSync(join(app, 'node_modules/fairlead'), { recursive: true }).map(String);
  assert.deepEqual(
    entries.filter((name) => name.startsWith('src/') || name.includes('.test.')),
    [],
  );
  assert.ok(entries.includes('LICENSE'));
});

test('npx fairlead up gives a cluster, whatever Node.js the machine has', { timeout: 120_000 }, async (t) => {
  const binary = newestKubectl();
  if (!binary) return t.skip('no kubectl for this platform');
  const directory = join(folder, 'cluster');
  mkdirSync(directory);
  {
    const command = { file: 'npx', args: ['--no-install', 'fairlead'], cwd: app, path: machinePath };
    await using up = await startUp({ directory, command });
    using kubectl = new Kubectl(binary, { kubeconfig: up.kubeconfig });
    await kubectl.run(['wait', '--for=condition=Ready', 'node', '--all', '--timeout=60s']);
    assert.match(await kubectl.text(['get', 'nodes']), / Ready /);
    assert.equal(await kubectl.text(['exec', 'hello', '--', 'echo', 'inside']), 'inside');
    assert.match(await kubectl.text(['explain', 'pod.spec']), /DESCRIPTION:\n +\S/);
    await up.interrupt();
  }
  assert.deepEqual(processesWith(directory), []);
});

test('createCluster comes from fairlead/testing, with its types', { timeout: 120_000 }, () => {
  const program = `
    import { createCluster, type TestCluster } from 'fairlead/testing';
    const cluster: TestCluster = await createCluster();
    try {
      await cluster.addNode({ runtime: 'simulated' });
      console.log('nodes', (await cluster.client.list({ group: '', version: 'v1', resource: 'nodes' })).items.length);
    } finally {
      await cluster[Symbol.asyncDispose]();
    }
  `;
  writeFileSync(join(app, 'program.mts'), program);
  const node = join(app, 'node_modules/.bin/node');
  assert.match(run(app, node, ['program.mts']), /^nodes 1$/m); // outside node_modules Node.js strips the types

  mkdirSync(join(app, 'node_modules/@types'), { recursive: true });
  symlinkSync(join(root, 'node_modules/@types/node'), join(app, 'node_modules/@types/node'));
  const options = ['--noEmit', '--strict', '--target', 'esnext', '--module', 'nodenext', '--types', 'node'];
  run(app, join(root, 'node_modules/.bin/tsc'), [...options, 'program.mts']);
});

/** Standard output. Fails, with all that was printed, on any other exit code than 0. */
function run(cwd: string, command: string, args: readonly string[]): string {
  const env = { ...process.env, PATH: command === 'npm' ? machinePath : process.env['PATH'] };
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, env, encoding: 'utf8' });
  assert.equal(status, 0, `${command} ${args.join(' ')}: ${error?.message ?? ''}\n${stdout}\n${stderr}`);
  return stdout;
}
