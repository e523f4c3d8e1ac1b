import { fairleadVersion, kubernetesVersion } from '../lib/version.ts';
import { formatYaml } from '../lib/yaml.ts';
import { type CommandSpec, exitCodes } from './command.ts';

export const version: CommandSpec = {
  name: 'version',
  summary: 'Print the version',
  options: [
    {
      flags: '-o, --output <format>',
      description: 'Output format',
      choices: ['text', 'json', 'yaml'],
      default: 'text',
    },
  ],
  run: async ({ options, terminal }) => {
    const facts = {
      apiVersion: 'fairlead.dev/v1',
      kind: 'Version',
      fairlead: fairleadVersion,
      kubernetes: kubernetesVersion.gitVersion,
      node: process.version,
      platform: `${process.platform}/${process.arch}`,
    };
    const format = options.text('output');
    if (format === 'json') terminal.print(JSON.stringify(facts, undefined, 2));
    else if (format === 'yaml') terminal.print(formatYaml(facts));
    else terminal.print(`fairlead ${facts.fairlead} (Kubernetes API ${facts.kubernetes}, Node.js ${facts.node})`);
    return exitCodes.ok;
  },
};
