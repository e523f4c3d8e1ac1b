import { globSync, readFileSync } from 'node:fs';

/** Command lines of running processes, this one excepted, that name `text` in their command line or environment. */
export function processesWith(text: string): string[] {
  return globSync('/proc/[0-9]*').flatMap((folder) => {
    if (folder === `/proc/${process.pid}`) return [];
    const line = read(`${folder}/cmdline`).replaceAll('\0', ' ');
    return line.includes(text) || read(`${folder}/environ`).includes(text) ? [line] : [];
  });
}

/** The user whose rights a process has. */
export function effectiveUserOf(pid: number): number {
  return Number(/^Uid:\s+\d+\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1]);
}

/** Empty for a process that has ended, or is another user's. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
