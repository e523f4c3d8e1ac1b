/**
 * Builds `dist/` for publishing: Node strips types only outside `node_modules`, so a package carries JavaScript.
 *
 *     dist/fairlead.mjs        the command
 *     dist/testing.mjs         `fairlead/testing`
 *     dist/sqlite-worker.mjs   the storage engine's worker
 *     dist/island-main.mjs     the node agent inside an island
 *     dist/types/              declarations of `fairlead/testing`
 *     dist/descriptions.json   texts of `kubectl explain`
 *     dist/demo.pl, demo.mjs   what the image `fairlead/demo` runs
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');
rmSync(dist, { recursive: true, force: true });

await build({
  absWorkingDir: root,
  entryPoints: [
    { in: 'src/cli/main.ts', out: 'fairlead' },
    { in: 'src/testing/index.ts', out: 'testing' },
    { in: 'src/storage/sqlite/sqlite-worker.ts', out: 'sqlite-worker' },
    { in: 'src/cluster/island/island-main.ts', out: 'island-main' },
  ],
  outdir: dist,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  packages: 'external',
  platform: 'node',
  target: 'node24',
  format: 'esm',
  minifySyntax: true,
  minifyWhitespace: true,
  logLevel: 'warning',
});

run(process.execPath, ['scripts/generate-descriptions.ts']);
const descriptions = join(root, 'generated', 'descriptions.json');
if (existsSync(descriptions)) copyFileSync(descriptions, join(dist, 'descriptions.json'));

for (const file of ['demo.pl', 'demo.mjs']) copyFileSync(join(root, 'src/kubelet/demo', file), join(dist, file));

run(join(root, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.build.json']);
for (const file of globSync('types/**/*.d.ts', { cwd: dist })) {
  const path = join(dist, file);
  writeFileSync(path, readFileSync(path, 'utf8').replaceAll(/(from '[^']+|import\('[^']+)\.ts'/g, "$1.js'"));
}

function run(command: string, args: string[]): void {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
