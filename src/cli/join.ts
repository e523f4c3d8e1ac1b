import { createInterface } from 'node:readline/promises';
import { CommandError, type CommandSpec, exitCodes } from './command.ts';
import { nodeDirectoryOption, runForeground } from './node.ts';
import { nodeOptions } from './node-options.ts';

export const join: CommandSpec = {
  name: 'join',
  summary: 'Join this machine to a cluster as a node',
  description:
    'Joins with a join string (fairlead token create) and runs the node in the foreground. Without one it asks for a paste. A join that broke off may be repeated by the same node with the same string.',
  arguments: [{ name: '[join-string]', description: 'Endpoint, CA pin and token in one word' }],
  options: [nodeDirectoryOption, ...nodeOptions],
  run: async (context) => {
    const [given] = context.args;
    return runForeground(context, given ?? process.env['FAIRLEAD_JOIN_STRING'] ?? (await ask(context.signal)));
  },
};

async function ask(signal: AbortSignal): Promise<string> {
  if (!process.stdin.isTTY) {
    throw new CommandError('no join string given, and there is no terminal to ask on', {
      exitCode: exitCodes.usage,
      hint: 'fairlead token create   (on the control plane)',
    });
  }
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await prompt.question('Join string: ', { signal })).trim();
  } finally {
    prompt.close();
  }
}
