import assert from 'node:assert/strict';
import { once } from 'node:events';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Node, Pod } from '../../src/api/kubernetes/core-v1.ts';
import type { KubeObject } from '../../src/api/object.ts';
import type { ResourceRef } from '../../src/client/client.ts';
import { currentOf } from '../../src/client/client-config.ts';
import { clientConfigOf, parseKubeconfig } from '../../src/client/kubeconfig.ts';
import { certificateSigningRequests, nodes, pods, serviceAccounts } from '../../src/client/resources.ts';
import { createCluster, type TestCluster } from '../../src/testing/create-cluster.ts';
import { runCli, startCli } from './cli-process.ts';

const marker = `marker-${process.pid}`;
const script = `: ${marker}; trap "exit 0" TERM; i=0; while :; do echo tick $i; i=$((i+1)); sleep 0.1 & wait $!; done`;

describe('a node agent as a process of its own', { skip: process.platform !== 'linux' && 'needs /proc' }, () => {
  let cluster: TestCluster;
  let directory: string;
  before(async () => {
    cluster = await createCluster();
    directory = mkdtempSync(join(tmpdir(), 'fairlead-agent-'));
    await until(serviceAccounts, { namespace: 'default', name: 'default' }, () => true);
  });
  after(async () => {
    await cluster[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  const token = (...args: string[]) => runCli(['token', ...args, '--kubeconfig', cluster.kubeconfigPath]);
  const agent = (command: 'node' | 'join', name: string, ...args: string[]) =>
    startCli([command, ...args, '--hostname-override', name, '--data-dir', join(directory, name), '--port', '0']);

  /** Watches one object until it is as wanted. */
  async function until<T extends KubeObject>(
    resource: ResourceRef,
    { namespace, name }: { namespace?: string; name?: string },
    wanted: (object: T, type: string) => boolean,
  ): Promise<T> {
    const options = {
      ...(namespace !== undefined && { namespace }),
      ...(name !== undefined && { fieldSelector: `metadata.name=${name}` }),
    };
    for (;;) {
      for await (const event of cluster.client.watch<T>(resource, options)) {
        if (event.type !== 'ERROR' && event.type !== 'BOOKMARK' && wanted(event.object, event.type))
          return event.object;
      }
    }
  }
  const untilReady = (name: string, notPort?: number) =>
    until<Node>(nodes, { name }, ({ status }) => {
      const ready = status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
      return ready && status?.daemonEndpoints?.kubeletEndpoint?.Port !== notPort;
    });
  const untilRunning = () =>
    until<Pod>(
      pods,
      { namespace: 'default', name: 'ticking' },
      ({ status }) => status?.containerStatuses?.[0]?.state?.running !== undefined,
    );

  test('a join that broke off is repeated with the same string, which then serves no other node', async () => {
    const created = await token('create');
    const joinString = /fairlead1\.\S+/.exec(created)?.[0] ?? '';
    {
      await using first = agent('join', 'edge', joinString);
      await until(certificateSigningRequests, {}, () => true);
      assert.equal(await first.end('SIGKILL'), 'SIGKILL');
    }
    await using again = agent('join', 'edge', joinString);
    await untilReady('edge');
    await using other = agent('join', 'other', joinString);
    assert.notEqual(await other.ended(), 0);
    assert.match(
      other.output,
      /this join string was already used by node "edge"; create a new one with "fairlead token create"/,
    );
    assert.equal(await again.end('SIGTERM'), 0, again.output);
    const stopped = await cluster.client.get<Node>(nodes, { name: 'edge' });
    assert.equal(stopped.status?.conditions?.find(({ type }) => type === 'Ready')?.status, 'False');
  });

  test('an agent that was killed finds its running pods again: same processes, same container, logs go on', async () => {
    await using first = agent('node', 'edge');
    const ready = await untilReady('edge');
    await cluster.client.create<Pod>(pods, {
      metadata: { name: 'ticking', namespace: 'default' },
      spec: {
        nodeName: 'edge',
        terminationGracePeriodSeconds: 1,
        containers: [{ name: 'c', image: 'busybox', command: ['sh', '-c', script] }],
      },
    });
    const before = await untilRunning();
    const early = await ticksUntil(2);
    const processes = markedProcesses();
    assert.ok(processes.length > 0);
    assert.equal(await first.end('SIGKILL'), 'SIGKILL');
    assert.deepEqual(markedProcesses(), processes, 'the pod outlives its agent');

    await using second = agent('node', 'edge');
    await untilReady('edge', ready.status?.daemonEndpoints?.kubeletEndpoint?.Port);
    const last = Math.max(...early) + 5;
    const ticks = await ticksUntil(last);
    assert.deepEqual(
      ticks,
      Array.from({ length: ticks.length }, (_, index) => index),
      'not one line is lost or doubled',
    );
    const now = await cluster.client.get<Pod>(pods, { namespace: 'default', name: 'ticking' });
    const [wasContainer] = before.status?.containerStatuses ?? [];
    const [isContainer] = now.status?.containerStatuses ?? [];
    assert.equal(isContainer?.restartCount, 0);
    assert.equal(isContainer?.containerID, wasContainer?.containerID);
    assert.deepEqual(markedProcesses(), processes);

    const deleted = until(pods, { namespace: 'default', name: 'ticking' }, (_pod, type) => type === 'DELETED');
    await cluster.client.delete(pods, { namespace: 'default', name: 'ticking' });
    await deleted;
    assert.deepEqual(markedProcesses(), []);
    assert.equal(await second.end('SIGTERM'), 0, second.output);
  });

  test('tokens are created, listed without their secrets, and deleted', async () => {
    const text = (
      await token('create', '--output', 'token', '--ttl', '1h', '--reusable', '--description', 'for tests')
    ).trim();
    const [, id = '', secret = ''] = /\b([a-z0-9]{6})\.([a-z0-9]{16})\b/.exec(text) ?? [];
    const listed = await token('list');
    assert.match(listed, new RegExp(`^${id}\\s+node\\s+unlimited\\s+\\S+\\s+for tests`, 'm'));
    assert.match(listed, /used by edge/);
    assert.ok(!listed.includes(secret));
    await token('delete', id);
    assert.ok(!(await token('list')).includes(id));
    await assert.rejects(token('delete', id), /not found|no token/i);
  });

  /** Follows the log from its beginning until the numbered line has come; gives the numbers. */
  async function ticksUntil(last: number): Promise<number[]> {
    const { server, ca, certificate } = clientConfigOf(parseKubeconfig(cluster.kubeconfig, 'kubeconfig'));
    const { certificate: cert, key } = currentOf(certificate ?? { certificate: '', key: '' }) ?? {};
    const url = `${server}/api/v1/namespaces/default/pods/ticking/log?follow=true`;
    const request = get(url, { ca: currentOf(ca), cert, key, agent: false });
    const [response] = (await once(request, 'response')) as [IncomingMessage]; // what the event carries
    assert.equal(response.statusCode, 200);
    let text = '';
    const ticks = () => [...text.matchAll(/^tick (\d+)\n/gm)].map(([, number]) => Number(number));
    await new Promise<void>((resolve, reject) => {
      response.on('error', reject); // also of the end below, when it is settled
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (ticks().length > last) resolve();
      });
    });
    request.destroy();
    return ticks();
  }
});

/** Process ids of all whose command line has the marker, in order. */
function markedProcesses(): number[] {
  return globSync('/proc/[0-9]*/cmdline')
    .filter((path) => {
      try {
        return readFileSync(path, 'utf8').includes(`: ${marker};`);
      } catch {
        return false; // has ended
      }
    })
    .map((path) => Number(path.split('/')[2]))
    .sort((a, b) => a - b);
}
