import { existsSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { contextName } from '../client/kubeconfig.ts';
import { removeFromKubeconfig, writtenKubeconfig } from '../client/kubeconfig-file.ts';
import { type ClusterRecord, deleteClusterData, isRunning, readClusterRecord } from '../cluster/cluster-directory.ts';
import { clusterOptions, parseCluster } from './cluster-options.ts';
import { CommandError, type CommandSpec, exitCodes } from './command.ts';

const stopTimeoutMs = 60_000;

export const down: CommandSpec = {
  name: 'down',
  summary: 'Stop a cluster; with --purge delete its data as well',
  options: [
    ...clusterOptions,
    { flags: '--purge', description: 'Delete all data, keys included, and the kubeconfig entries' },
    { flags: '--kubeconfig <file>', description: 'Kubeconfig to clean (default: $KUBECONFIG, else ~/.kube/config)' },
  ],
  run: async ({ options, terminal, signal }) => {
    const { name, paths } = parseCluster(options);
    const record = readClusterRecord(paths);
    if (record?.process && isRunning(record)) {
      await stop(record, record.process.pid, signal);
      terminal.say(`cluster "${name}" stopped`);
    } else {
      terminal.say(`cluster "${name}" is not running`);
    }
    if (!options.flag('purge')) return exitCodes.ok;
    const file = await writtenKubeconfig(process.env, options.text('kubeconfig'));
    if (existsSync(file)) await removeFromKubeconfig(file, contextName(name));
    deleteClusterData(paths);
    terminal.say(`data in ${paths.root} and context "${contextName(name)}" deleted`);
    return exitCodes.ok;
  },
};

/** Another process cannot be awaited, only asked: every 50 ms until it is gone. */
async function stop(record: ClusterRecord, pid: number, signal: AbortSignal): Promise<void> {
  process.kill(pid, 'SIGTERM');
  const deadline = Date.now() + stopTimeoutMs;
  while (isRunning(record)) {
    if (Date.now() > deadline) {
      throw new CommandError(`process ${pid} has not ended within ${stopTimeoutMs / 1000} s`, {
        exitCode: exitCodes.timeout,
      });
    }
    await wait(50, undefined, { signal });
  }
}
