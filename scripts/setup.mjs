// Makes a fresh clone ready: installs what package-lock.json names, unless that is installed already.
// Plain JavaScript with nothing imported from node_modules: it runs on whatever Node.js started npm.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const stamp = at('node_modules/.fairlead-lock.json');
const lock = at('package-lock.json');

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== readFileSync(lock, 'utf8')) {
  console.error('Installing dependencies (once) …');
  const result = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: at('.'),
    stdio: 'inherit',
  });
  if (result.status !== 0) process.exit(result.status ?? 1);
  copyFileSync(lock, stamp);
}

if (!existsSync(at('generated/descriptions.json'))) {
  const node = existsSync(at('node_modules/.bin/node')) ? at('node_modules/.bin/node') : process.execPath;
  spawnSync(node, [at('scripts/generate-descriptions.ts')], { stdio: 'inherit' });
}

if (
  !(process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch)) &&
  Number(process.versions.node.split('.')[0]) < 24
) {
  console.error(
    `Fairlead needs Node.js 24 or newer on ${process.platform} ${process.arch}; this is ${process.version}.`,
  );
  process.exit(1);
}
