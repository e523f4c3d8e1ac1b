import { contextName } from '../client/kubeconfig.ts';
import { ensureDemoPod } from '../cluster/demo-pod.ts';
import { startLocalControlPlane } from '../cluster/local-control-plane.ts';
import { startLocalNode } from '../cluster/local-node.ts';
import { copyIntoKubeconfig } from '../cluster/user-kubeconfig.ts';
import { kubeconfigOptions } from './cluster-options.ts';
import { type CommandSpec, exitCodes } from './command.ts';
import { controlPlaneOptions, parseControlPlane } from './control-plane-options.ts';
import { interrupted, untilReady } from './foreground.ts';
import { openLog } from './logging.ts';
import { parseProcessImages } from './node-options.ts';

export const up: CommandSpec = {
  name: 'up',
  summary: 'Run a whole cluster in the foreground: control plane, one node, a demo pod',
  description:
    'Starts a cluster as an ordinary user and keeps it in the foreground; Ctrl-C ends it with all its processes, and the next start finds all its data.',
  options: [
    ...controlPlaneOptions,
    ...kubeconfigOptions,
    { flags: '--node-name <name>', description: 'Name of the node', default: 'demo' },
    { flags: '--runtime <name>', description: 'What runs pods', choices: ['process', 'simulated'], default: 'process' },
    { flags: '--process-image <image=path>', description: 'A program that an image name stands for', repeatable: true },
    { flags: '--no-node', description: 'Leave the node out' },
    { flags: '--no-demo', description: 'Leave the demo pod out' },
    {
      flags: '-o, --output <format>',
      description: 'text, or json: a step event per line',
      choices: ['text', 'json'],
      default: 'text',
    },
  ],
  run: async ({ options, terminal, signal }) => {
    const config = parseControlPlane(options);
    const { name, paths } = config;
    const log = openLog(options, { quiet: true });
    const withNode = options.optionalFlag('node') !== false;
    const withDemo = withNode && options.optionalFlag('demo') !== false;
    terminal.expectSteps(3 + Number(withNode) + Number(withDemo));

    await using controlPlane = await startLocalControlPlane(config, { log });
    const { server, pki } = controlPlane;
    const file = options.text('kubeconfig');
    await copyIntoKubeconfig(paths.adminKubeconfig, {
      switchContext: options.optionalFlag('switchContext') !== false,
      ...(file !== undefined && { file }),
    });
    terminal.done(
      'API server',
      `${server}   CA ${pki.cluster.pin.slice(0, 15)}…   kubeconfig context "${contextName(name)}"`,
    );
    terminal.done('controllers', 'connected over the secure port, each with a certificate of its own');
    if (!withNode) return await finish();

    await using local = await startLocalNode(
      controlPlane,
      {
        nodesDirectory: paths.nodes,
        name: options.requiredText('nodeName'),
        listen: { host: '127.0.0.1', port: 0 },
        runtime: options.text('runtime') === 'simulated' ? 'simulated' : 'process',
        images: parseProcessImages(options),
        onShutdown: 'stop-pods',
      },
      { log, signal },
    );
    await untilReady(local.node.ready, signal);
    terminal.done(
      'node',
      local.joined
        ? `${local.node.name} joined: token → CSR → client certificate → serving certificate (verified)`
        : `${local.node.name} is back with its own certificates`,
    );
    if (withDemo) {
      const pod = await ensureDemoPod(controlPlane.client, signal);
      terminal.done('pod', `default/${pod.metadata?.name} Running on ${pod.spec?.nodeName} at ${pod.status?.podIP}`);
    }
    // Awaited here: returning the promise alone would end the cluster first.
    return await finish();

    async function finish() {
      terminal.done('ready', 'the cluster runs until Ctrl-C');
      terminal.say(`  next:  ${nextCommands(withDemo).join('    ')}`);
      await interrupted(signal);
      terminal.say('stopping …');
      return exitCodes.ok;
    }
  },
};

function nextCommands(withDemo: boolean): string[] {
  if (!withDemo) return ['kubectl get nodes', 'kubectl get namespaces', 'fairlead token create'];
  return ['kubectl get nodes', 'kubectl exec -it hello -- sh', 'kubectl logs hello'];
}
