import { createLogger, type Logger } from '../lib/log.ts';
import type { OptionValues } from './command.ts';

/**
 * The log of a component that runs in the foreground, on standard error. `quiet` commands, which talk to a person, log only what went
 * wrong unless asked for more with `-v`.
 */
export function openLog(options: OptionValues, { quiet = false }: { quiet?: boolean } = {}): Logger {
  const verbosity = options.integer('verbosity', { min: 0, max: 10 }) ?? 0;
  if (verbosity >= 4) return createLogger({ level: 'debug' });
  if (verbosity >= 1) return createLogger({ level: 'info' });
  return createLogger({ level: quiet ? 'error' : 'info' });
}
