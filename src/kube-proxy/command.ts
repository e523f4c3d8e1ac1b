import { spawn } from 'node:child_process';

const maxOutputBytes = 64 * 1024 * 1024;
const maxErrorBytes = 64 * 1024;

export interface CommandOptions {
  readonly input?: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** A program ended with another code than 0, or could not be started. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
  /** Absent: it did not run, or was ended. */
  readonly code: number | undefined;

  constructor(message: string, options: ErrorOptions & { code?: number } = {}) {
    super(message, options);
    this.code = options.code;
  }
}

/** Runs a program to its end and gives its standard output. @throws {CommandFailure} with what it wrote to standard error */
export function runCommand(command: readonly string[], options: CommandOptions): Promise<string> {
  const [program = '', ...args] = command;
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = spawn(program, args, {
    stdio: 'pipe',
    timeout: options.timeoutMs,
    killSignal: 'SIGKILL',
    ...(options.signal && { signal: options.signal }),
    // Administrators' programs are not on everybody's path.
    env: { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin`, LC_ALL: 'C' },
  });
  const output: Buffer[] = [];
  let outputBytes = 0;
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => {
    outputBytes += chunk.length;
    if (outputBytes > maxOutputBytes) child.kill('SIGKILL');
    else output.push(chunk);
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    errors = (errors + chunk).slice(0, maxErrorBytes);
  });
  child.once('error', (error) =>
    reject(new CommandFailure(`cannot run ${program}: ${error.message}`, { cause: error })),
  );
  child.once('close', (code, signal) => {
    if (code === 0) return resolve(Buffer.concat(output).toString());
    const reason = code === null ? `was ended by ${signal}` : `ended with ${code}`;
    const text = errors.trim();
    reject(new CommandFailure(`${program} ${reason}${text && `: ${text}`}`, code === null ? {} : { code }));
  });
  // A program that ends early does not read its input: what it says itself tells more than this error.
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  return promise;
}
