import { homedir } from 'node:os';
import { join } from 'node:path';
import { ConfigError } from '../lib/config-error.ts';

/**
 * Where a cluster keeps its data: `$XDG_STATE_HOME/fairlead/<name>` for an ordinary user, `/var/lib/fairlead/<name>` for root
 * that has no such variable.
 * @throws {ConfigError} for a name that is no DNS label
 */
export function defaultDataDirectory(name: string, environment: NodeJS.ProcessEnv = process.env): string {
  checkClusterName(name);
  const state = environment['XDG_STATE_HOME'];
  if (state) return join(state, 'fairlead', name);
  if (process.getuid?.() === 0) return join('/var/lib/fairlead', name);
  return join(homedir(), '.local', 'state', 'fairlead', name);
}

export function checkClusterName(name: string): void {
  if (/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name)) return;
  throw new ConfigError(`--name: expected lower-case letters, digits and dashes (at most 63), got "${name}"`);
}
