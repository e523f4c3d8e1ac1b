import { startLocalControlPlane } from '../cluster/local-control-plane.ts';
import { apiServerOptions, parseApiServerOptions, parseKubeletAuthority } from './api-server-options.ts';
import { clusterOptions, parseCluster } from './cluster-options.ts';
import { type CommandSpec, exitCodes } from './command.ts';
import { interrupted, openLog } from './logging.ts';

export const server: CommandSpec = {
  name: 'server',
  summary: 'Run a control plane',
  description:
    'Runs the API server on the embedded store, the controllers and the scheduler, in the foreground. Flags have the names and meanings of kube-apiserver.',
  options: [...clusterOptions, ...apiServerOptions],
  run: async ({ options, terminal, signal }) => {
    const { name, paths } = parseCluster(options);
    const log = openLog(options);
    const { extraNames, ...api } = parseApiServerOptions(options);
    const kubeletAuthority = parseKubeletAuthority(options);
    const port = options.integer('securePort', { min: 0, max: 65_535 });
    await using controlPlane = await startLocalControlPlane(
      {
        name,
        paths,
        host: options.requiredText('bindAddress'),
        extraNames,
        api,
        kubeletPreferredAddressTypes: options.list('kubeletPreferredAddressTypes'),
        ...(port !== undefined && { port }),
        ...(kubeletAuthority && { kubeletAuthority }),
      },
      { log },
    );
    log.info('Control plane ready', { server: controlPlane.server, ca: controlPlane.pki.cluster.pin });
    terminal.say(`admin kubeconfig: ${paths.adminKubeconfig}`);
    await interrupted(signal);
    log.info('Stopping');
    return exitCodes.ok;
  },
};
