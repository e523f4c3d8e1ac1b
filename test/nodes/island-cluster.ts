/** A cluster with one node in an island, as a program: it runs in a directory until its standard input ends. Prints one line of JSON when it is ready. */
import { text } from 'node:stream/consumers';
import { clusterPaths } from '../../src/cluster/cluster-directory.ts';
import { prepareIsland, startIslandNode } from '../../src/cluster/island/start-island-node.ts';
import { startLocalControlPlane } from '../../src/cluster/local-control-plane.ts';
import { createLogger } from '../../src/lib/log.ts';

const [directory = ''] = process.argv.slice(2);
const log = createLogger({ level: 'warn' });
const signal = AbortSignal.timeout(60_000);
const paths = clusterPaths(directory);
const config = { name: 'demo', nodesDirectory: paths.nodes };
await using prepared = prepareIsland(config, { log });
await using controlPlane = await startLocalControlPlane({ name: 'island', paths, host: '127.0.0.1' }, { log });
await using node = await startIslandNode(controlPlane, config, { log, signal, prepared });
await node.ready;
const { pid, address, joined } = node;
console.log(JSON.stringify({ kubeconfig: paths.adminKubeconfig, pid, address, joined }));
await text(process.stdin);
