import { contextName } from '../client/kubeconfig.ts';
import { ensureDemoPod } from '../cluster/demo-pod.ts';
import { probeIsland } from '../cluster/island/probe-island.ts';
import { prepareIsland, startIslandNode } from '../cluster/island/start-island-node.ts';
import { startLocalControlPlane } from '../cluster/local-control-plane.ts';
import { startLocalNode } from '../cluster/local-node.ts';
import { copyIntoKubeconfig } from '../cluster/user-kubeconfig.ts';
import { kubeconfigOptions } from './cluster-options.ts';
import { CommandError, type CommandSpec, exitCodes } from './command.ts';
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
    {
      flags: '--node-network <network>',
      description:
        "island: a network of the node's own, whose only path is the connection it opens to the API server's port; host: this machine's (default: island where the system lets a user have one)",
      choices: ['island', 'host'],
    },
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

    const nodeName = options.requiredText('nodeName');
    const runtime = options.text('runtime') === 'simulated' ? 'simulated' : 'process';
    const common = {
      nodesDirectory: paths.nodes,
      name: nodeName,
      runtime,
      images: parseProcessImages(options),
    } as const;
    // The island's process starts beside the control plane: each waits for the other only where it must.
    const network: NodeNetwork = withNode ? await chooseNetwork(options.text('nodeNetwork')) : hostNetwork;
    const prepared = withNode && network.island ? prepareIsland(common, { log }) : undefined;
    await using _prepared = prepared;

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

    await using local = await startNode();
    await untilReady(local.ready, signal);
    terminal.done(
      'node',
      local.joined
        ? `${local.name} joined: token → CSR → client certificate → serving certificate (verified)`
        : `${local.name} is back with its own certificates`,
    );
    terminal.say(`  ${network.explanation}`);
    // A node that ends by itself leaves a cluster that people may want to look at.
    const tellEnd = () => {
      if (!signal.aborted) terminal.failed('node', `${local.name} has ended by itself; its log lines say why`);
    };
    local.ended?.then(tellEnd, tellEnd);
    if (withDemo) {
      const pod = await ensureDemoPod(controlPlane.client, signal);
      terminal.done('pod', `default/${pod.metadata?.name} Running on ${pod.spec?.nodeName} at ${pod.status?.podIP}`);
    }
    // Awaited here: returning the promise alone would end the cluster first.
    return await finish();

    async function startNode(): Promise<StartedNode> {
      if (prepared) {
        const { serviceClusterIpRange } = config.api ?? {};
        const island = { ...common, ...(serviceClusterIpRange !== undefined && { serviceClusterIpRange }) };
        return startIslandNode(controlPlane, island, { log, signal, prepared });
      }
      const listen = { host: '127.0.0.1', port: 0 };
      const local = await startLocalNode(controlPlane, { ...common, listen, onShutdown: 'stop-pods' }, { log, signal });
      const { name, ready } = local.node;
      return { name, ready, joined: local.joined, [Symbol.asyncDispose]: () => local[Symbol.asyncDispose]() };
    }

    async function finish() {
      terminal.done('ready', 'the cluster runs until Ctrl-C');
      terminal.say(`  next:  ${nextCommands(withDemo).join('    ')}`);
      await interrupted(signal);
      terminal.say('stopping …');
      return exitCodes.ok;
    }
  },
};

interface StartedNode extends AsyncDisposable {
  /** Resolves when a node with processes of its own has none left. */
  readonly ended?: Promise<void>;
  readonly name: string;
  readonly joined: boolean;
  readonly ready: Promise<void>;
}

interface NodeNetwork {
  readonly island: boolean;
  /** What the user should know about it. */
  readonly explanation: string;
}

const hostNetwork: NodeNetwork = {
  island: false,
  explanation: "network: this machine's; pods have loopback addresses",
};

/** @throws {CommandError} where an island was asked for and cannot be had */
async function chooseNetwork(asked: string | undefined): Promise<NodeNetwork> {
  if (asked === 'host') return hostNetwork;
  const probe = await probeIsland();
  if (probe.ok) {
    return {
      island: true,
      explanation:
        "network: an island, reached by its own tunnel only; its pods have no internet (--node-network host gives them this machine's)",
    };
  }
  if (asked === 'island') {
    throw new CommandError(`no island can be had: ${probe.reason}`, { hint: 'fairlead up --node-network host' });
  }
  return { island: false, explanation: `network: this machine's, because ${probe.reason}` };
}

function nextCommands(withDemo: boolean): string[] {
  if (!withDemo) return ['kubectl get nodes', 'kubectl get namespaces', 'fairlead token create'];
  return ['kubectl get nodes', 'kubectl exec -it hello -- sh', 'fairlead doctor'];
}
