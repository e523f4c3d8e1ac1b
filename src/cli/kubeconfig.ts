import { existsSync, readFileSync } from 'node:fs';
import { contextName } from '../client/kubeconfig.ts';
import { copyIntoKubeconfig } from '../cluster/user-kubeconfig.ts';
import { clusterOptions, kubeconfigOptions, parseCluster } from './cluster-options.ts';
import { CommandError, type CommandSpec, exitCodes } from './command.ts';

export const kubeconfig: CommandSpec = {
  name: 'kubeconfig',
  summary: 'Write or print the kubeconfig of a cluster',
  description:
    'Merges the cluster into your kubeconfig under the context fairlead-<name>; with -o - prints it instead.',
  options: [...clusterOptions, ...kubeconfigOptions, { flags: '-o, --output <file>', description: '- prints it' }],
  run: async ({ options, terminal }) => {
    const { name, paths } = parseCluster(options);
    if (!existsSync(paths.adminKubeconfig)) {
      throw new CommandError(`no cluster "${name}" in ${paths.root}`, { hint: `fairlead up --name ${name}` });
    }
    const output = options.text('output');
    if (output === '-') {
      terminal.print(readFileSync(paths.adminKubeconfig, 'utf8'));
      return exitCodes.ok;
    }
    const file = await copyIntoKubeconfig(paths.adminKubeconfig, {
      ...(output !== undefined && { file: output }),
      ...(output === undefined &&
        options.text('kubeconfig') !== undefined && { file: options.requiredText('kubeconfig') }),
      switchContext: options.optionalFlag('switchContext') !== false,
    });
    terminal.say(`context "${contextName(name)}" written to ${file}`);
    return exitCodes.ok;
  },
};
