import { join } from 'node:path';
import { type NodeAgentConfig, runNodeAgent } from '../cluster/node-agent.ts';
import { readFlagFile } from './api-server-options.ts';
import { type CommandContext, type CommandSpec, type ExitCode, exitCodes } from './command.ts';
import { defaultDataDirectory } from './directories.ts';
import { interrupted } from './foreground.ts';
import { openLog } from './logging.ts';
import { nodeOptions, parseNodeOptions } from './node-options.ts';

/** Where a node that is joined to somebody else's cluster keeps its files. */
export const nodeDirectoryOption = {
  flags: '--data-dir <directory>',
  description: 'Where credentials, pods and logs lie (default: $XDG_STATE_HOME/fairlead/node/<name>)',
};

export const node: CommandSpec = {
  name: 'node',
  summary: 'Run a node agent (kubelet)',
  description:
    'Runs a node agent in the foreground. Flags have the names and meanings of the kubelet. A node that has not joined yet needs --join-file, or --bootstrap-server with a token and a CA.',
  options: [
    nodeDirectoryOption,
    ...nodeOptions,
    { flags: '--join-file <file>', description: 'File that holds a join string; - is standard input' },
    { flags: '--bootstrap-server <url>', description: 'API server to join by a plain bootstrap token' },
    { flags: '--token-file <file>', description: 'File that holds the bootstrap token' },
    { flags: '--certificate-authority <file>', description: "The cluster's CA, for --bootstrap-server" },
    { flags: '--discovery-token-ca-cert-hash <pin>', description: "Pin of the cluster's CA: sha256:<hex>" },
  ],
  run: async (context) => {
    const { options } = context;
    const file = options.text('joinFile');
    if (file !== undefined)
      return runForeground(context, readFlagFile('--join-file', file === '-' ? '/dev/stdin' : file).trim());
    const server = options.text('bootstrapServer');
    if (server === undefined) return runForeground(context, undefined);
    const authority = options.text('certificateAuthority');
    const pin = options.text('discoveryTokenCaCertHash');
    return runForeground(context, {
      server,
      token: readFlagFile('--token-file', options.requiredText('tokenFile')).trim(),
      ...(authority !== undefined && { ca: readFlagFile('--certificate-authority', authority) }),
      ...(pin !== undefined && { caPin: pin }),
    });
  },
};

/** Runs the node until it is interrupted; its pods go on, and are found again by the next start. */
export async function runForeground(
  { options, terminal, signal }: CommandContext,
  bootstrap: NodeAgentConfig['bootstrap'],
): Promise<ExitCode> {
  const config = parseNodeOptions(options);
  const dataDirectory = options.text('dataDir') ?? join(defaultDataDirectory('node'), config.name);
  const log = openLog(options);
  await using running = await runNodeAgent(
    { ...config, dataDirectory, ...(bootstrap !== undefined && { bootstrap }) },
    { log, signal },
  );
  await Promise.race([running.ready, interrupted(signal)]);
  if (!signal.aborted) terminal.done('node', `${running.name} joined and Ready: kubelet API on port ${running.port}`);
  await interrupted(signal);
  return exitCodes.ok;
}
