import { Kubectl } from '../test/e2e/kubectl.ts';
import { type KubectlBinary, newestKubectl } from '../test/e2e/kubectl-binaries.ts';
import type { Area, Servers } from './harness/area.ts';
import { Connection } from './harness/connection.ts';
import { median } from './harness/load.ts';
import { configMap, ensureNamespace, ensurePods } from './harness/objects.ts';
import { type Row, shareRow } from './harness/table.ts';

const namespace = 'bench-kubectl';
const objects = 50;

const targets = {
  'apply of 50 new objects': 1,
  'apply of 50 unchanged objects': 0.5,
  'get pods -A of 1,000': 0.9,
};

type Command = keyof typeof targets;

/** The real kubectl, as a person waits for it: its own time included, discovery cached. */
export const kubectlArea: Area = {
  name: 'kubectl',
  async run(servers) {
    const binary = newestKubectl();
    if (!binary) return [{ figure: 'kubectl', ours: 'not measured: no kubectl for this platform' }];
    const seconds = { ours: await measure(servers, 'ours', binary) };
    const upstream = servers.apiServers.includes('upstream') ? await measure(servers, 'upstream', binary) : undefined;
    return Object.entries(targets).map(([name, share]): Row => {
      const command = name as Command; // the keys of the table above
      return shareRow(`kubectl ${name}`, {
        value: seconds.ours[command],
        unit: 's',
        share,
        ...(upstream && { upstream: upstream[command] }),
      });
    });
  },
};

async function measure(servers: Servers, name: 'ours' | 'upstream', binary: KubectlBinary) {
  const { kubeconfig } = await servers.get(name);
  await using connection = await Connection.open(kubeconfig);
  await ensureNamespace(connection, namespace);
  await ensurePods(connection, 'bench-reads', 1000);
  using kubectl = new Kubectl(binary, { kubeconfig, namespace });
  await kubectl.run(['get', 'configmaps,deployments']);
  const times: Record<Command, number[]> = {
    'apply of 50 new objects': [],
    'apply of 50 unchanged objects': [],
    'get pods -A of 1,000': [],
  };
  for (let round = 0; round < servers.rounds; round++) {
    const names = Array.from({ length: objects }, (_, index) => `applied-${process.pid}-${round}-${index}`);
    const stdin = names.map((object) => configMap(object)).join('\n---\n');
    const apply = () => kubectl.run(['apply', '-f', '-'], { stdin });
    times['apply of 50 new objects'].push(await secondsOf(apply));
    times['apply of 50 unchanged objects'].push(await secondsOf(apply));
    times['get pods -A of 1,000'].push(await secondsOf(() => kubectl.run(['get', 'pods', '-A'])));
  }
  const middle = Object.entries(times).map(([command, values]) => [command, median(values)] as const);
  return Object.fromEntries(middle) as Record<Command, number>; // the same keys
}

async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}
