import { styleText } from 'node:util';

export type OutputFormat = 'text' | 'json' | 'yaml' | 'name';

/** One step of a longer command, as `--output json` prints it, a line each. */
export interface StepEvent {
  readonly schema: 'fairlead.dev/step/v1';
  readonly step: string;
  readonly state: 'done' | 'warning' | 'failed';
  readonly message: string;
  readonly currentstep: number;
  readonly totalsteps: number;
}

export interface TerminalStreams {
  readonly stdout: NodeJS.WritableStream & { isTTY?: boolean };
  readonly stderr: NodeJS.WritableStream & { isTTY?: boolean };
}

/** What a command prints: data on standard output, talk on standard error. */
export class Terminal {
  readonly #streams: TerminalStreams;
  readonly #color: boolean;
  readonly #quiet: boolean;
  readonly #steps: { json: boolean; current: number; total: number };

  constructor(
    streams: TerminalStreams,
    options: { quiet?: boolean; jsonSteps?: boolean; environment?: NodeJS.ProcessEnv } = {},
  ) {
    const environment = options.environment ?? process.env;
    const dumb = environment['NO_COLOR'] || environment['TERM'] === 'dumb' || environment['CI'];
    this.#streams = streams;
    this.#color = streams.stderr.isTTY === true && !dumb;
    this.#quiet = options.quiet ?? false;
    this.#steps = { json: options.jsonSteps ?? false, current: 0, total: 0 };
  }

  /** Data: what a pipe should receive. */
  print(text: string): void {
    this.#streams.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
  }

  /** Talk: what a person reads. */
  say(text: string): void {
    if (!this.#quiet && !this.#steps.json) this.#streams.stderr.write(`${text}\n`);
  }

  /** How many steps `done`, `warning` and `failed` will tell of. */
  expectSteps(total: number): void {
    this.#steps.total = total;
    this.#steps.current = 0;
  }

  done(step: string, message: string): void {
    this.#step('done', step, message);
  }

  warning(step: string, message: string): void {
    this.#step('warning', step, message);
  }

  failed(step: string, message: string): void {
    this.#step('failed', step, message);
  }

  error(message: string, hint?: string): void {
    this.#streams.stderr.write(`${this.#paint('red', 'error:')} ${message}\n`);
    if (hint) this.#streams.stderr.write(`  try:  ${hint}\n`);
  }

  bold(text: string): string {
    return this.#color ? styleText('bold', text) : text;
  }

  #step(state: StepEvent['state'], step: string, message: string): void {
    this.#steps.current += 1;
    if (this.#steps.json) {
      const { current, total } = this.#steps;
      const event: StepEvent = {
        schema: 'fairlead.dev/step/v1',
        step,
        state,
        message,
        currentstep: current,
        totalsteps: Math.max(total, current),
      };
      this.print(JSON.stringify(event));
    } else if (state === 'failed') {
      this.#streams.stderr.write(`${this.#paint('red', '×')} ${step.padEnd(14)} ${message}\n`);
    } else {
      const mark = state === 'done' ? this.#paint('green', '√') : this.#paint('yellow', '‼');
      this.say(`${mark} ${step.padEnd(14)} ${message}`);
    }
  }

  #paint(color: 'red' | 'green' | 'yellow', text: string): string {
    return this.#color ? styleText(color, text) : text;
  }
}

/** Columns as kubectl prints them: upper-case heads, three spaces between. */
export function formatTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  options: { noHeaders?: boolean } = {},
): string {
  const lines = options.noHeaders ? rows : [head, ...rows];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0), 0));
  return lines
    .map((line) =>
      line.map((cell, column) => (column === line.length - 1 ? cell : cell.padEnd((widths[column] ?? 0) + 3))).join(''),
    )
    .map((line) => line.trimEnd())
    .join('\n');
}
