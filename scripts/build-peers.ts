/**
 * Builds the real upstream components that interchange suites and benchmarks face, from their Go modules, into a cache outside the tree.
 * Only names and versions are kept here (`test/peers/<module>/go.mod`). Without Go it says so and changes nothing.
 *
 *     npm run peers [module …]
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { peersDirectory } from '../test/e2e/kubectl-binaries.ts';

const modules = join(import.meta.dirname, '..', 'test', 'peers');
const asked = process.argv.slice(2);
const names = readdirSync(modules, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && existsSync(join(modules, entry.name, 'go.mod')))
  .map((entry) => entry.name)
  .filter((name) => asked.length === 0 || asked.includes(name));

if (spawnSync('go', ['version']).status !== 0) {
  console.log('Go is not installed: upstream peers are not built, and suites that need them will skip.');
  process.exit(0);
}

for (const name of names) {
  const folder = join(modules, name);
  const manifest = readFileSync(join(folder, 'go.mod'), 'utf8');
  const output = join(peersDirectory, name);
  const stamp = join(output, '.built-from');
  const digest = createHash('sha256').update(manifest).digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) {
    console.log(`${name}: up to date`);
    continue;
  }
  mkdirSync(output, { recursive: true });
  console.log(`${name}: building into ${output} …`);
  const result = spawnSync(
    'go',
    ['build', '-ldflags', ['-s', '-w', ...versionFlags(manifest)].join(' '), '-o', `${output}/`, 'tool'],
    {
      cwd: folder,
      stdio: 'inherit',
      env: { ...process.env, CGO_ENABLED: '0' },
    },
  );
  if (result.status !== 0) process.exit(result.status ?? 1);
  writeFileSync(stamp, digest);
}

/** Kubernetes binaries say version 0.0.0 unless they are told theirs. */
function versionFlags(manifest: string): string[] {
  const version = /k8s\.io\/kubernetes (v(\d+)\.(\d+)\.\d+)/.exec(manifest);
  if (!version) return [];
  const [, full, major, minor] = version;
  const values = { gitVersion: full, gitMajor: major, gitMinor: minor, gitTreeState: 'clean' };
  return Object.entries(values).map(([key, value]) => `-X k8s.io/component-base/version.${key}=${value}`);
}
