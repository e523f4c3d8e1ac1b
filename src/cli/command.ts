import type { Terminal } from './terminal.ts';

/** One option of a command. `FAIRLEAD_<NAME>` in the environment mirrors each of them. */
export interface OptionSpec {
  /** In commander's form: `--data-dir <directory>`, `--no-switch-context`, `-o, --output <format>`. */
  readonly flags: string;
  readonly description: string;
  readonly default?: string | number | boolean | readonly string[];
  readonly choices?: readonly string[];
  /** May be given several times; the value is a list. */
  readonly repeatable?: boolean;
}

export interface ArgumentSpec {
  /** `<required>` or `[optional]`. */
  readonly name: string;
  readonly description: string;
}

/** What a command is given when it runs. */
export interface CommandContext {
  readonly options: OptionValues;
  readonly args: readonly string[];
  readonly terminal: Terminal;
  /** Aborts on the first SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
}

export interface CommandSpec {
  readonly name: string;
  readonly summary: string;
  /** Shown by `--help` below the usage. */
  readonly description?: string;
  readonly arguments?: readonly ArgumentSpec[];
  readonly options?: readonly OptionSpec[];
  readonly subcommands?: readonly CommandSpec[];
  /** Returns the exit code. @throws {ConfigError} and anything else that failed */
  readonly run?: (context: CommandContext) => Promise<ExitCode>;
}

/** Exit codes, as `--help` prints them. */
export const exitCodes = {
  ok: 0,
  failure: 1,
  usage: 2,
  unhealthy: 3,
  insecure: 4,
  timeout: 5,
  interrupted: 130,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** A command ends in a way that has an exit code of its own. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly exitCode: ExitCode;
  /** The next command to try, printed below the message. */
  readonly hint: string | undefined;

  constructor(message: string, options: ErrorOptions & { exitCode?: ExitCode; hint?: string } = {}) {
    super(message, options);
    this.exitCode = options.exitCode ?? exitCodes.failure;
    this.hint = options.hint;
  }
}

/** Values by their camel-case names; read through functions that check the type once. */
export class OptionValues {
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values;
  }

  text(name: string): string | undefined {
    const value = this.#values[name];
    return value === undefined ? undefined : String(value);
  }

  /** @throws {CommandError} where the flag is absent */
  requiredText(name: string): string {
    const value = this.text(name);
    if (value === undefined) throw new CommandError(`--${kebab(name)} is required`, { exitCode: exitCodes.usage });
    return value;
  }

  flag(name: string): boolean {
    const value = this.#values[name];
    return value === true || value === 'true' || value === '1';
  }

  /** A boolean that upstream writes as `--name=false`; absent is `undefined`. */
  optionalFlag(name: string): boolean | undefined {
    return this.#values[name] === undefined ? undefined : this.flag(name);
  }

  integer(name: string, range: { min: number; max: number }): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const number = Number(value);
    if (Number.isInteger(number) && number >= range.min && number <= range.max) return number;
    const expected = `a whole number from ${range.min} to ${range.max}`;
    throw new CommandError(`--${kebab(name)}: expected ${expected}, got "${value}"`, { exitCode: exitCodes.usage });
  }

  list(name: string): readonly string[] {
    const value = this.#values[name];
    if (value === undefined) return [];
    const values = Array.isArray(value) ? value.map(String) : [String(value)];
    return values.flatMap((item) => item.split(',')).filter((item) => item !== '');
  }

  /** A Go duration such as `90s`, `1h30m` or `500ms`, in milliseconds. */
  durationMs(name: string): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const duration = parseDuration(value);
    if (duration !== undefined) return duration;
    const expected = 'a duration such as 30s, 15m or 24h';
    throw new CommandError(`--${kebab(name)}: expected ${expected}, got "${value}"`, { exitCode: exitCodes.usage });
  }
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds of a Go duration, or `undefined` where it is none. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0;
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit = ''] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) {
    total += Number(amount) * (unitMs[unit] ?? 0);
  }
  return total;
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
