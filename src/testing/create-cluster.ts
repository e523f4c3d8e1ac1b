import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ApiServerConfig } from '../apiserver/config.ts';
import type { ApiClient } from '../client/client.ts';
import { contextName, formatKubeconfig } from '../client/kubeconfig.ts';
import { clusterPaths } from '../cluster/cluster-directory.ts';
import { startControlPlane } from '../cluster/control-plane.ts';
import { startLocalNode } from '../cluster/local-node.ts';
import type { Simulation } from '../kubelet/runtimes/simulated/simulation.ts';
import { type Logger, silentLogger } from '../lib/log.ts';
import { writePrivateFile } from '../pki/private-file.ts';

export interface CreateClusterOptions {
  /** Where objects and keys are kept. `disk` is durable while the cluster lives, in a folder that goes with it. @default 'memory' */
  readonly store?: 'memory' | 'disk';
  /** Keeps data here, also after disposal, and finds it again. Implies `store: 'disk'`. */
  readonly directory?: string;
  /** Whether controllers and the scheduler run. @default true */
  readonly controllers?: boolean;
  /** What the API server does otherwise than by default, for example `audit` or `authorizationModes`. */
  readonly apiServer?: Partial<ApiServerConfig>;
  /** @default nothing is logged */
  readonly log?: Logger;
}

/** How a node's pods run: as host processes, or only pretending to. */
export type AddNodeOptions = {
  /** @default node-1, node-2, … */
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** How the API server reaches the node: by dialling it, or by a connection that the node opened. @default 'direct' */
  readonly route?: 'direct' | 'tunnel';
  /** Overrides of what the machine has, for example `{ cpu: '64' }`. */
  readonly capacity?: Readonly<Record<string, string>>;
} & ({ readonly runtime?: 'process' } | ({ readonly runtime: 'simulated' } & Simulation));

/** A node of a test cluster. Disposal ends it as a machine that is switched off, its pods' processes included; the Node object stays. */
export interface TestNode extends AsyncDisposable {
  readonly name: string;
  /** Of the kubelet API, on 127.0.0.1. */
  readonly port: number;
}

/** A cluster in this process. Disposal ends all of it and leaves nothing open. */
export interface TestCluster extends AsyncDisposable {
  /** `https://127.0.0.1:<port>` */
  readonly server: string;
  /** PEM of the cluster CA. */
  readonly ca: string;
  /** For kubectl and client libraries, with `system:masters`: the text of a kubeconfig. */
  readonly kubeconfig: string;
  /** The same as a file, for programs that take a path. */
  readonly kubeconfigPath: string;
  /** A client with the same credentials. */
  readonly client: ApiClient;
  /** Joins a node over the wire, as every node joins, and resolves when it is Ready. */
  addNode(options?: AddNodeOptions): Promise<TestNode>;
}

/**
 * Starts the components of a cluster in this process, each with certificates of its own, on a free port. Many may live side by side.
 *
 *     await using cluster = await createCluster();
 *     await cluster.addNode({ runtime: 'simulated', logs: () => ['hello'] });
 */
export async function createCluster(options: CreateClusterOptions = {}): Promise<TestCluster> {
  const { log = silentLogger, directory, store = directory === undefined ? 'memory' : 'disk' } = options;
  await using parts = new AsyncDisposableStack();
  const root = directory ?? (await mkdtemp(join(tmpdir(), 'fairlead-')));
  if (directory === undefined) parts.defer(() => rm(root, { recursive: true, force: true }));
  const paths = clusterPaths(root);
  const controlPlane = parts.use(
    await startControlPlane(
      {
        host: '127.0.0.1',
        port: 0,
        ...(store === 'disk' && { paths }),
        ...(options.apiServer && { api: options.apiServer }),
        ...(options.controllers !== undefined && { controllers: options.controllers }),
      },
      { log },
    ),
  );
  const { server, client, pki, admin } = controlPlane;
  const kubeconfig = formatKubeconfig({
    name: contextName('test'),
    server,
    ca: pki.cluster.certificatePem,
    certificate: { certificate: admin.certificatePem, key: admin.privateKeyPem },
  });
  await writePrivateFile(paths.adminKubeconfig, kubeconfig);

  const nodes = new AsyncDisposableStack();
  parts.use(nodes);
  const ending = new AbortController();
  parts.defer(() => ending.abort());
  let count = 0;

  async function addNode(options: AddNodeOptions = {}): Promise<TestNode> {
    const {
      name = `node-${++count}`,
      labels,
      capacity,
      route = 'direct',
      runtime = 'process',
      ...simulation
    } = options;
    const local = await startLocalNode(
      controlPlane,
      {
        nodesDirectory: paths.nodes,
        name,
        route,
        runtime,
        listen: { host: '127.0.0.1', port: 0 },
        onShutdown: 'stop-pods',
        ...(labels && { labels }),
        ...(capacity && { capacity }),
        ...(runtime === 'simulated' && { simulation }),
      },
      { log, signal: ending.signal },
    );
    nodes.use(local);
    await local.node.ready;
    return { name, port: local.node.port, [Symbol.asyncDispose]: () => local[Symbol.asyncDispose]() };
  }

  const owned = parts.move();
  return {
    server,
    ca: pki.cluster.certificatePem,
    kubeconfig,
    kubeconfigPath: paths.adminKubeconfig,
    client,
    addNode,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
