import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StatefulSet } from '../../api/kubernetes/apps-v1.ts';
import type { Pod } from '../../api/kubernetes/core-v1.ts';
import { planStatefulSet } from './plan-stateful-set.ts';

const set = (replicas: number, policy = 'OrderedReady'): StatefulSet => ({
  metadata: { name: 'db' },
  spec: { replicas, podManagementPolicy: policy, selector: {}, template: {}, serviceName: 'db' },
});

const pod = (ordinal: number, ready = true, hash = 'new'): Pod => ({
  metadata: { name: `db-${ordinal}`, labels: { 'controller-revision-hash': hash } },
  status: { phase: 'Running', conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
});

function plan(wanted: StatefulSet, pods: Pod[]) {
  const { create, remove } = planStatefulSet(wanted, pods, 'new');
  return [create, remove.map(({ metadata }) => metadata?.name)];
}

test('pods are started in order and stopped in the reverse one', () => {
  assert.deepEqual(plan(set(3), []), [[0], []]);
  assert.deepEqual(plan(set(3), [pod(0, false)]), [[], []]);
  assert.deepEqual(plan(set(3), [pod(0)]), [[1], []]);
  assert.deepEqual(plan(set(1), [pod(0), pod(1), pod(2)]), [[], ['db-2']]);
  assert.deepEqual(plan(set(3, 'Parallel'), []), [[0, 1, 2], []]);
});

test('outdated pods are replaced from the last, each after the one before is ready', () => {
  assert.deepEqual(plan(set(2), [pod(0, true, 'old'), pod(1, true, 'old')]), [[], ['db-1']]);
  assert.deepEqual(plan(set(2), [pod(0, true, 'old'), pod(1, false)]), [[], []]);
  assert.deepEqual(plan(set(2), [pod(0, true, 'old'), pod(1)]), [[], ['db-0']]);
});
