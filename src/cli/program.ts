import { Argument, Command, CommanderError, Option } from 'commander';
import { CommandError, type CommandSpec, type ExitCode, exitCodes, type OptionSpec, OptionValues } from './command.ts';
import type { Terminal } from './terminal.ts';

export interface ProgramHost {
  readonly terminal: (options: OptionValues) => Terminal;
  readonly signal: AbortSignal;
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
}

/** Options of every command. */
const commonOptions: readonly OptionSpec[] = [
  { flags: '-q, --quiet', description: 'Print nothing but data and errors' },
  { flags: '-v, --verbosity <level>', description: 'Log level as a number; 4 and up logs debug lines', default: '0' },
];

const exitCodeHelp = `
Exit codes:  0 ok · 1 failure · 2 usage · 3 unhealthy · 4 insecure · 5 time out · 130 interrupted
Each option can also be given in the environment: --data-dir is FAIRLEAD_DATA_DIR.`;

/** Runs the command that `argv` (without node and script) names. @throws {CommandError} for wrong usage */
export async function runProgram(root: CommandSpec, argv: readonly string[], host: ProgramHost): Promise<ExitCode> {
  let result: ExitCode = exitCodes.ok;
  const program = build(root, [], host, (code) => {
    result = code;
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return exitCodes.ok;
    // Commander has printed the message and the usage already.
    return exitCodes.usage;
  }
  return result;
}

function build(
  spec: CommandSpec,
  parents: readonly string[],
  host: ProgramHost,
  finish: (code: ExitCode) => void,
): Command {
  const command = new Command(spec.name)
    .summary(spec.summary)
    .description(spec.description ?? spec.summary)
    .exitOverride()
    .configureOutput({ writeOut: host.stdout, writeErr: host.stderr })
    .helpCommand(false)
    .showHelpAfterError('(run with --help for usage)');
  if (parents.length === 0 || spec.run) command.addHelpText('after', exitCodeHelp);
  for (const { name, description } of spec.arguments ?? []) command.addArgument(new Argument(name, description));
  for (const option of [...(spec.options ?? []), ...(spec.run ? commonOptions : [])])
    command.addOption(toOption(option));
  for (const child of spec.subcommands ?? []) command.addCommand(build(child, [...parents, spec.name], host, finish));
  const { run } = spec;
  if (run) {
    command.action(async () => {
      const options = new OptionValues(command.opts());
      const terminal = host.terminal(options);
      finish(await run({ options, args: command.args, terminal, signal: host.signal }));
    });
  } else {
    command.allowExcessArguments(true).action(() => {
      const path = [...parents, spec.name].join(' ');
      if (command.args.length > 0) {
        throw new CommandError(`unknown command "${command.args[0]}" for "${path}"`, {
          exitCode: exitCodes.usage,
          hint: `${path} --help`,
        });
      }
      host.stdout(command.helpInformation());
    });
  }
  return command;
}

function toOption(spec: OptionSpec): Option {
  const option = new Option(spec.flags, spec.description);
  option.env(`FAIRLEAD_${option.name().toUpperCase().replaceAll('-', '_')}`);
  if (spec.choices) option.choices([...spec.choices]);
  if (spec.repeatable)
    option.argParser((value: string, before: unknown) => [...(Array.isArray(before) ? before : []), value]);
  if (spec.default !== undefined) option.default(spec.default);
  return option;
}
