/**
 * Runs the test files with `node --test`: all below `src`, those of `test`, `test/security`, `test/clients` and
 * `test/nodes`, or the files and folders given as arguments.
 * Options are handed on: `npm test -- src/auth --test-name-pattern=token`. `test/e2e`, `test/interop` and `test/soak` are longer and have npm
 * scripts of their own; their files run one at a time.
 */
import { spawnSync } from 'node:child_process';
import { globSync, statSync } from 'node:fs';

const options = process.argv.slice(2).filter((argument) => argument.startsWith('--'));
const asked = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const longSuites = asked.some((path) => /^(\.\/)?test\/(e2e|interop|soak)\b/.test(path));
const patterns =
  asked.length === 0 ? ['src/**/*.test.ts', 'test/{,security/,clients/,nodes/}*.test.ts'] : asked.map(expand);
const files = globSync(patterns).sort();
if (files.length === 0) {
  console.error(`No test file matches ${patterns.join(' ')}`);
  process.exit(1);
}
const defaults = ['--test', '--test-timeout=120000', '--disable-warning=ExperimentalWarning'];
const args = [...defaults, ...(longSuites ? ['--test-concurrency=1'] : []), ...options, ...files];
const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
process.exit(status ?? 1);

function expand(path: string): string {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ? `${path}/**/*.test.ts` : path;
}
