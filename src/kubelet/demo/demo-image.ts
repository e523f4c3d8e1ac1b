import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ProcessImage } from '../runtimes/process/image-table.ts';

const programPath = '/fairlead/demo';
const nodePath = '/fairlead/node';

/**
 * What `fairlead/demo` runs. In Perl where the machine has it (nearly every Linux does): 8 MB, where a second Node process takes 60.
 * Otherwise the same page from Node.
 */
export function demoImage(): ProcessImage {
  const perl = ['/usr/bin/perl', '/usr/local/bin/perl', '/opt/homebrew/bin/perl'].find((path) => existsSync(path));
  // Beside this file in the tree; in the published package beside the bundle, which this file is then part of.
  const program = fileURLToPath(new URL(perl ? './demo.pl' : './demo.mjs', import.meta.url));
  const mounted = perl ? `${programPath}.pl` : `${programPath}.mjs`;
  const programMount = { hostPath: program, containerPath: mounted, readOnly: true };
  // Without a root of its own the container finds the program under $FAIRLEAD_ROOT.
  const run = (interpreter: string) => ['sh', '-c', `exec ${interpreter} "$FAIRLEAD_ROOT${mounted}"`];
  if (perl) return { command: run(perl), mounts: [programMount] };
  const nodeMount = { hostPath: process.execPath, containerPath: nodePath, readOnly: true };
  return { command: run(`"$FAIRLEAD_ROOT${nodePath}" --max-semi-space-size=1`), mounts: [programMount, nodeMount] };
}
