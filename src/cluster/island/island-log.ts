import type { LogFields, Logger } from '../../lib/log.ts';
import { describeError, type IslandEvent, type LogLevelName, reviveError } from './messages.ts';

/** A logger inside the island: its lines are written by the process outside. */
export function forwardLog(send: (event: IslandEvent) => void, verbose: boolean, bound: LogFields = {}): Logger {
  const write = (level: LogLevelName) => (message: string, fields?: LogFields) => {
    const all = { ...bound, ...fields };
    const { error, ...rest } = all;
    send({
      type: 'log',
      level,
      message,
      fields: error === undefined ? rest : { ...rest, error: describeError(error) },
    });
  };
  return {
    debug: verbose ? write('debug') : () => {},
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    with: (fields) => forwardLog(send, verbose, { ...bound, ...fields }),
  };
}

/** Writes a line of the island with the logger of the process outside. */
export function writeForwarded(log: Logger, { level, message, fields }: Extract<IslandEvent, { type: 'log' }>): void {
  const { error, ...rest } = fields;
  const known = error as ReturnType<typeof describeError> | undefined; // as `forwardLog` made it
  log[level](message, known === undefined ? rest : { ...rest, error: reviveError(known) });
}
