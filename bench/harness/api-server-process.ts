/** A process of its own for our API server: `fork(…, [data directory])`. It sends its kubeconfig's path when it serves, and ends with its parent. */
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { formatKubeconfig } from '../../src/client/kubeconfig.ts';
import { clusterPaths } from '../../src/cluster/cluster-directory.ts';
import { startControlPlane } from '../../src/cluster/control-plane.ts';
import { createLogger } from '../../src/lib/log.ts';

const [directory = ''] = process.argv.slice(2);
mkdirSync(directory, { recursive: true });
const paths = clusterPaths(directory);
const config = { paths, host: '127.0.0.1', port: 0, controllers: false } as const;
await using plane = await startControlPlane(config, { log: createLogger({ level: 'warn' }) });
const certificate = { certificate: plane.admin.certificatePem, key: plane.admin.privateKeyPem };
const entry = { name: 'bench', server: plane.server, ca: plane.pki.cluster.certificatePem, certificate };
writeFileSync(paths.adminKubeconfig, formatKubeconfig(entry), { mode: 0o600 });
process.send?.(paths.adminKubeconfig);
await once(process, 'disconnect');
