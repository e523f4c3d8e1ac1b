import { startLocalControlPlane } from '../cluster/local-control-plane.ts';
import { type CommandSpec, exitCodes } from './command.ts';
import { controlPlaneOptions, parseControlPlane } from './control-plane-options.ts';
import { interrupted } from './foreground.ts';
import { openLog } from './logging.ts';

export const server: CommandSpec = {
  name: 'server',
  summary: 'Run a control plane',
  description:
    'Runs the API server on the embedded store, the controllers and the scheduler, in the foreground. Flags have the names and meanings of kube-apiserver.',
  options: controlPlaneOptions,
  run: async ({ options, terminal, signal }) => {
    const log = openLog(options);
    const config = parseControlPlane(options);
    await using controlPlane = await startLocalControlPlane(config, { log });
    log.info('Control plane ready', { server: controlPlane.server, ca: controlPlane.pki.cluster.pin });
    terminal.say(`admin kubeconfig: ${config.paths.adminKubeconfig}`);
    await interrupted(signal);
    log.info('Stopping');
    return exitCodes.ok;
  },
};
