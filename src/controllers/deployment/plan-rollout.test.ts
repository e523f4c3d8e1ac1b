import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Deployment, ReplicaSet } from '../../api/kubernetes/apps-v1.ts';
import type { IntOrString } from '../../api/kubernetes/intstr.ts';
import { planProportional, planRecreate, planRollingUpdate } from './plan-rollout.ts';

const template = { spec: { containers: [] } };

function set(uid: string, replicas: number, availableReplicas = replicas): ReplicaSet {
  return {
    metadata: { uid, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { replicas, selector: {}, template },
    status: { replicas, availableReplicas },
  };
}

function deployment(replicas: number, maxSurge: IntOrString = '25%', maxUnavailable: IntOrString = '25%'): Deployment {
  return {
    spec: {
      replicas,
      selector: {},
      template,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } },
    },
  };
}

test('a rolling update grows the new set first and never goes below the minimum', () => {
  const rows: [Deployment, ReplicaSet, ReplicaSet, Record<string, number>][] = [
    [deployment(4), set('new', 0), set('old', 4), { new: 1 }],
    [deployment(4), set('new', 1, 0), set('old', 4), { old: 3 }],
    [deployment(4), set('new', 1, 1), set('old', 4), { old: 2 }],
    [deployment(4, 0, 1), set('new', 0), set('old', 4), { old: 3 }],
    [deployment(4, 1, 0), set('new', 1, 0), set('old', 4), {}],
    [deployment(4, 1, 0), set('new', 1, 1), set('old', 4), { old: 3 }],
    [deployment(4), set('new', 1, 0), set('old', 4, 2), { old: 3 }],
    [deployment(3), set('new', 5), set('old', 0), { new: 3 }],
  ];
  for (const [wanted, newSet, oldSet, expected] of rows) {
    assert.deepEqual(Object.fromEntries(planRollingUpdate(wanted, { newSet, oldSets: [oldSet] })), expected);
  }
});

test('every rolling update reaches its end within its limits, whatever they are', () => {
  for (const [replicas, maxSurge, maxUnavailable] of [
    [3, 1, 0],
    [3, 0, 1],
    [10, '25%', '25%'],
    [1, 0, 0],
    [5, 5, 5],
    [2, '100%', 0],
  ] as const) {
    let [fresh, old] = [0, replicas as number];
    for (let step = 0; step < 100 && (fresh < replicas || old > 0); step++) {
      const plan = planRollingUpdate(deployment(replicas, maxSurge, maxUnavailable), {
        newSet: set('new', fresh),
        oldSets: [set('old', old)],
      });
      [fresh, old] = [plan.get('new') ?? fresh, plan.get('old') ?? old];
      assert.ok(fresh + old >= replicas - Math.max(1, Math.ceil(replicas * 0.25), Number(maxUnavailable) || 0));
    }
    assert.deepEqual([fresh, old], [replicas, 0], `${replicas} ${maxSurge} ${maxUnavailable}`);
  }
});

test('Recreate waits until the old pods are gone', () => {
  const [newSet, oldSets] = [set('new', 0), [set('old', 0)]];
  assert.equal(planRecreate(deployment(2), { newSet, oldSets, oldPodsRunning: true }).size, 0);
  assert.deepEqual(Object.fromEntries(planRecreate(deployment(2), { newSet, oldSets, oldPodsRunning: false })), {
    new: 2,
  });
  assert.deepEqual(
    Object.fromEntries(planRecreate(deployment(2), { newSet, oldSets: [set('old', 2)], oldPodsRunning: true })),
    { old: 0 },
  );
});

test('a change of size amid a rollout is shared in proportion and adds up', () => {
  const plan = planProportional(deployment(20, 0, 1), [set('new', 2), set('old', 8)]);
  assert.equal((plan.get('new') ?? 2) + (plan.get('old') ?? 8), 20);
  assert.deepEqual(Object.fromEntries(planProportional(deployment(0), [set('new', 2), set('old', 8)])), {
    new: 0,
    old: 0,
  });
});
