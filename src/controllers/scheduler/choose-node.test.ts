import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node, Pod, PodSpec } from '../../api/kubernetes/core-v1.ts';
import { chooseNode } from './choose-node.ts';
import { NodeState } from './node-state.ts';
import { podRequests } from './pod-requests.ts';

let uids = 0;

function node(
  name: string,
  changed: { spec?: Node['spec']; labels?: Record<string, string>; cpu?: string; pods?: string } = {},
) {
  const { spec, labels = {}, cpu = '4', pods = '110' } = changed;
  return new NodeState({
    metadata: { name, labels: { 'kubernetes.io/hostname': name, ...labels } },
    ...(spec && { spec }),
    status: { allocatable: { cpu, memory: '8Gi', pods } },
  });
}

function pod(spec: Partial<PodSpec> = {}, labels: Record<string, string> = {}): Pod {
  const containers = [{ name: 'c', resources: { requests: { cpu: '1' } } }];
  return { metadata: { name: 'p', namespace: 'default', uid: String(uids++), labels }, spec: { containers, ...spec } };
}

const choose = (wanted: Pod, nodes: NodeState[]) => chooseNode(wanted, nodes, () => ({}));

test('reasons are counted and sorted as upstream words them', () => {
  const nodes = [
    node('small', { cpu: '500m' }),
    node('cordoned', { spec: { unschedulable: true } }),
    node('tainted', { spec: { taints: [{ key: 'k', effect: 'NoSchedule' }] } }),
    node('small2', { cpu: '500m', pods: '0' }),
  ];
  const expected =
    '0/4 nodes are available: 1 Too many pods, 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable, 2 Insufficient cpu.';
  assert.deepEqual(choose(pod(), nodes), { message: expected });
  assert.deepEqual(choose(pod(), []), { message: 'no nodes available to schedule pods' });
});

test('the emptier node wins, unless a preference outweighs it', () => {
  const busy = node('busy', { labels: { disk: 'ssd' } });
  busy.addPod(pod());
  assert.deepEqual(choose(pod(), [busy, node('free')]), { node: 'free' });
  const preference = { matchExpressions: [{ key: 'disk', operator: 'In', values: ['ssd'] }] };
  const nodeAffinity = { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference }] };
  assert.deepEqual(choose(pod({ affinity: { nodeAffinity } }), [busy, node('free')]), { node: 'busy' });
});

test('tolerations, selectors and host ports decide', () => {
  const taints = [{ key: 'k', value: 'v', effect: 'NoExecute' }];
  const tolerations = [{ key: 'k', operator: 'Equal', value: 'v', effect: 'NoExecute' }];
  assert.deepEqual(choose(pod({ tolerations }), [node('n', { spec: { taints } })]), { node: 'n' });
  assert.match(
    JSON.stringify(choose(pod({ nodeSelector: { a: 'b' } }), [node('n')])),
    /didn't match Pod's node affinity/,
  );
  const containers = [{ name: 'c', ports: [{ containerPort: 80, hostPort: 80 }] }];
  const taken = node('n');
  taken.addPod(pod({ containers }));
  assert.match(JSON.stringify(choose(pod({ containers }), [taken])), /didn't have free ports/);
});

test('pods that do not want each other go apart', () => {
  const term = { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'a' } } };
  const affinity = { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } };
  const [first, second] = [node('n1'), node('n2')];
  first.addPod(pod({ affinity }, { app: 'a' }));
  assert.deepEqual(choose(pod({ affinity }, { app: 'a' }), [first, second]), { node: 'n2' });
  assert.match(JSON.stringify(choose(pod({}, { app: 'a' }), [first])), /existing pods anti-affinity/);
});

test('an init container counts beside the sidecars started before it', () => {
  const cpu = (amount: string) => ({ resources: { requests: { cpu: amount } } });
  const initContainers = [
    { name: 's', restartPolicy: 'Always', ...cpu('200m') },
    { name: 'i', ...cpu('1') },
  ];
  assert.equal(podRequests(pod({ initContainers, containers: [{ name: 'c', ...cpu('100m') }] })).get('cpu'), 1200);
});
