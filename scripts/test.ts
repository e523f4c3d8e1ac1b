/**
 * Runs the test files with `node --test`: all `src/**\/*.test.ts` and `test/*.test.ts`, or the files and folders given as arguments.
 * `test/e2e`, `test/peers` and `test/soak` are longer and have npm scripts of their own.
 */
import { spawnSync } from 'node:child_process';
import { globSync, statSync } from 'node:fs';

const asked = process.argv.slice(2);
const patterns = asked.length === 0 ? ['src/**/*.test.ts', 'test/*.test.ts'] : asked.map(expand);
const files = globSync(patterns).sort();
if (files.length === 0) {
  console.error(`No test file matches ${patterns.join(' ')}`);
  process.exit(1);
}
const args = ['--test', '--test-timeout=120000', '--disable-warning=ExperimentalWarning', ...files];
const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
process.exit(status ?? 1);

function expand(path: string): string {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ? `${path}/**/*.test.ts` : path;
}
