/** Regenerates what is committed although it is generated, and fails when that changes anything. */
import { spawnSync } from 'node:child_process';

const output = 'src/api/kubernetes';
run('node', ['scripts/generate-types.ts']);
run('biome', ['format', '--write', '--log-level=error', output]);
const diff = spawnSync('git', ['status', '--porcelain', '--', output], { encoding: 'utf8' });
if (diff.status !== 0) throw new Error(`git status failed: ${diff.stderr}`);
if (diff.stdout !== '') {
  console.error(
    `${output} is not what scripts/generate-types.ts writes. Run \`npm run generate\` and commit:\n${diff.stdout}`,
  );
  process.exit(1);
}

function run(command: string, args: string[]): void {
  const { status } = spawnSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) process.exit(status ?? 1);
}
