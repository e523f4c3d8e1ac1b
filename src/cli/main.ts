import { ConfigError } from '../lib/config-error.ts';
import { CommandError, type CommandSpec, type ExitCode, exitCodes } from './command.ts';
import { runProgram } from './program.ts';
import { Terminal } from './terminal.ts';

/** Every command, loaded only when it is the one that runs. */
const commands: Readonly<Record<string, { summary: string; load: () => Promise<CommandSpec> }>> = {
  up: {
    summary: 'Run a whole cluster in the foreground: control plane, one node, a demo pod',
    load: async () => (await import('./up.ts')).up,
  },
  down: { summary: 'Stop a cluster and delete its data', load: async () => (await import('./down.ts')).down },
  server: { summary: 'Run a control plane', load: async () => (await import('./server.ts')).server },
  node: { summary: 'Run a node agent (kubelet)', load: async () => (await import('./node.ts')).node },
  join: { summary: 'Join this machine to a cluster as a node', load: async () => (await import('./join.ts')).join },
  token: {
    summary: 'Create, list and delete the tokens that nodes join with',
    load: async () => (await import('./token.ts')).token,
  },
  get: {
    summary: 'Show what only Fairlead knows about a cluster: routes',
    load: async () => (await import('./get.ts')).get,
  },
  doctor: {
    summary: 'Walk the paths between nodes and the control plane and say who proved what to whom',
    load: async () => (await import('./doctor.ts')).doctor,
  },
  certs: { summary: 'List all certificates with their expiry', load: async () => (await import('./certs.ts')).certs },
  kubeconfig: {
    summary: 'Write or print the kubeconfig of a cluster',
    load: async () => (await import('./kubeconfig.ts')).kubeconfig,
  },
  'konnectivity-server': {
    summary: 'Run a Konnectivity server, in the place of upstream’s proxy-server',
    load: async () => (await import('./konnectivity-server.ts')).konnectivityServer,
  },
  'konnectivity-agent': {
    summary: 'Run a Konnectivity agent, in the place of upstream’s proxy-agent',
    load: async () => (await import('./konnectivity-agent.ts')).konnectivityAgent,
  },
  'kube-proxy': {
    summary: 'Make a node answer for Services, in the place of upstream’s kube-proxy',
    load: async () => (await import('./kube-proxy.ts')).kubeProxy,
  },
  version: { summary: 'Print the version', load: async () => (await import('./version.ts')).version },
};

// Whoever reads our output may stop reading, as `head` does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(exitCodes.ok);
});

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<ExitCode> {
  const { signal, dispose } = interruptSignal();
  const verbose = argv.some((argument) => /^(-v\d*|--verbosity)/.test(argument));
  const terminal = new Terminal(process);
  try {
    if (!process.features.typescript && Number(process.versions.node.split('.')[0]) < 24) {
      throw new ConfigError(`Fairlead needs Node.js 24 or newer; this is ${process.version}`);
    }
    const code = await runProgram(await rootFor(argv), argv, {
      signal,
      stdout: (text) => void process.stdout.write(text),
      stderr: (text) => void process.stderr.write(text),
      terminal: (options) =>
        new Terminal(process, { quiet: options.flag('quiet'), jsonSteps: options.text('output') === 'json' }),
    });
    return signal.aborted && code === exitCodes.failure ? exitCodes.interrupted : code;
  } catch (error) {
    if (signal.aborted && error === signal.reason) return exitCodes.interrupted;
    report(terminal, error, verbose);
    if (error instanceof CommandError) return error.exitCode;
    return error instanceof ConfigError ? exitCodes.usage : exitCodes.failure;
  } finally {
    dispose();
  }
}

async function rootFor(argv: readonly string[]): Promise<CommandSpec> {
  const chosen = argv[0] ?? '';
  const subcommands = await Promise.all(
    Object.entries(commands).map(async ([name, { summary, load }]): Promise<CommandSpec> => {
      return name === chosen ? await load() : { name, summary };
    }),
  );
  return {
    name: 'fairlead',
    summary: 'A Kubernetes-compatible control plane and node agent',
    description:
      'A Kubernetes-compatible control plane and node agent: every path between nodes and the control plane, verified.',
    subcommands,
  };
}

/** What failed and what to do next; the stack only with `-v`. */
function report(terminal: Terminal, error: unknown, verbose: boolean): void {
  if (!(error instanceof Error)) {
    terminal.error(String(error));
    return;
  }
  const causes: string[] = [];
  for (let cause = error.cause; cause instanceof Error; cause = cause.cause) causes.push(cause.message);
  const fresh = causes.filter((cause) => !error.message.includes(cause));
  terminal.error([error.message, ...fresh].join(': '), error instanceof CommandError ? error.hint : undefined);
  if (verbose && error.stack) terminal.error(error.stack);
}

/** Aborts on the first SIGINT or SIGTERM; a second one ends the process at once. */
function interruptSignal(): { signal: AbortSignal; dispose: () => void } {
  const controller = new AbortController();
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted);
    controller.abort();
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  const dispose = () => {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  };
  return { signal: controller.signal, dispose };
}
