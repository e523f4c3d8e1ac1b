import { existsSync, readFileSync } from 'node:fs';
import type { ApiClient } from '../client/client.ts';
import type { ClientConfig } from '../client/client-config.ts';
import { connectApi } from '../client/connect.ts';
import { clientConfigOf, contextName, loadKubeconfig, parseKubeconfig } from '../client/kubeconfig.ts';
import { type ClusterPaths, clusterPaths } from '../cluster/cluster-directory.ts';
import { CommandError, type OptionSpec, type OptionValues } from './command.ts';
import { checkClusterName, defaultDataDirectory } from './directories.ts';

/** Which cluster a command is about. */
export const clusterOptions: readonly OptionSpec[] = [
  { flags: '--name <name>', description: 'Name of the cluster', default: 'default' },
  { flags: '--data-dir <directory>', description: 'Where its data lies (default: $XDG_STATE_HOME/fairlead/<name>)' },
];

/** Where its kubeconfig entries are written. */
export const kubeconfigOptions: readonly OptionSpec[] = [
  { flags: '--kubeconfig <file>', description: 'Kubeconfig to write (default: $KUBECONFIG, else ~/.kube/config)' },
  { flags: '--no-switch-context', description: 'Leave the current context as it is' },
];

export function parseCluster(options: OptionValues): { name: string; paths: ClusterPaths } {
  const name = options.requiredText('name');
  checkClusterName(name);
  return { name, paths: clusterPaths(options.text('dataDir') ?? defaultDataDirectory(name)) };
}

/** A connection and what it was made from. */
export interface ClusterConnection {
  readonly client: ApiClient;
  readonly config: ClientConfig;
}

/**
 * A client for commands about a running cluster: by its data directory where that is on this machine, otherwise by the kubeconfig context
 * `fairlead-<name>`, or whatever `--kubeconfig` names as current.
 * @throws {CommandError} with what to run first
 */
export async function connectToCluster(options: OptionValues): Promise<ClusterConnection> {
  const config = await clientConfig(options);
  return { client: connectApi(config), config };
}

async function clientConfig(options: OptionValues): Promise<ClientConfig> {
  const { name, paths } = parseCluster(options);
  const file = options.text('kubeconfig');
  if (file === undefined && existsSync(paths.adminKubeconfig)) {
    return clientConfigOf(parseKubeconfig(readFileSync(paths.adminKubeconfig, 'utf8'), paths.adminKubeconfig));
  }
  const config = await loadKubeconfig({ env: process.env, ...(file !== undefined && { path: file }) });
  const context = file === undefined ? contextName(name) : undefined;
  if (context !== undefined && !config.contexts?.some((entry) => entry.name === context)) {
    throw new CommandError(`no cluster "${name}": neither ${paths.root} nor a kubeconfig context ${context} exists`, {
      hint: 'fairlead up',
    });
  }
  return clientConfigOf(config, context);
}
