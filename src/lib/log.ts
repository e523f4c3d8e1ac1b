import pino from 'pino';

/** Fields of one log line. An `error` field is printed with its message, name and stack. */
export type LogFields = Readonly<Record<string, unknown>>;

/** A short fixed message plus fields. No secrets, and no line per packet. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** The same logger with `fields` on each line, for example `{ component: 'apiserver' }`. */
  with(fields: LogFields): Logger;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface LogOptions {
  /** @default 'info' */
  level?: LogLevel;
  /** Receives each finished line with its newline. @default standard error */
  write?: (line: string) => void;
}

/** Writes JSON lines. */
export function createLogger(options: LogOptions = {}): Logger {
  const write = options.write ?? ((line: string) => void process.stderr.write(line));
  const sink = pino(
    {
      level: options.level ?? 'info',
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.err },
    },
    { write },
  );
  return adapt(sink);
}

/** Drops everything: for tests and for components whose caller gave no logger. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  with: () => silentLogger,
};

function adapt(sink: pino.Logger): Logger {
  return {
    debug: (message, fields) => sink.debug(fields ?? {}, message),
    info: (message, fields) => sink.info(fields ?? {}, message),
    warn: (message, fields) => sink.warn(fields ?? {}, message),
    error: (message, fields) => sink.error(fields ?? {}, message),
    with: (fields) => adapt(sink.child(fields)),
  };
}
