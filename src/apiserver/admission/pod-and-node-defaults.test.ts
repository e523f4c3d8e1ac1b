import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node, Pod } from '../../api/kubernetes/core-v1.ts';
import { MemoryObjects } from '../../auth/memory-objects.ts';
import { attributesFor, MemoryLive, refusalOf, type TestRequest } from './admission-attributes-suite.ts';
import { defaultTolerationSeconds } from './default-toleration-seconds.ts';
import { Priority } from './priority.ts';
import { runAdmission } from './run-admission.ts';
import { taintNodesByCondition } from './taint-nodes-by-condition.ts';

const classes = 'priorityclasses.scheduling.k8s.io';

function priorities(
  ...list: Array<{ name: string; value: number; globalDefault?: boolean; preemptionPolicy?: string }>
) {
  const objects = new MemoryObjects();
  for (const { name, ...rest } of list) objects.set(classes, { metadata: { name }, ...rest } as object);
  return new Priority({ objects, live: new MemoryLive() });
}

async function podSpec(plugin: Priority, spec: object, more: Partial<TestRequest> = {}): Promise<Pod['spec']> {
  const attributes = attributesFor({
    operation: 'CREATE',
    resource: 'pods',
    namespace: 'ns',
    object: { spec },
    ...more,
  });
  await runAdmission([plugin], attributes);
  return (attributes.object as Pod).spec;
}

test('a new node is tainted until it was seen ready', async () => {
  const taint = async (spec: object | undefined) => {
    const attributes = attributesFor({ operation: 'CREATE', resource: 'nodes', object: spec ? { spec } : {} });
    await runAdmission([taintNodesByCondition], attributes);
    return (attributes.object as Node).spec?.taints;
  };
  const notReady = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' };
  assert.deepEqual(await taint(undefined), [notReady]);
  assert.deepEqual(await taint({ taints: [{ key: 'own', effect: 'NoExecute' }] }), [
    { key: 'own', effect: 'NoExecute' },
    notReady,
  ]);
  assert.deepEqual(await taint({ taints: [notReady] }), [notReady]);
});

test('pods tolerate an absent node for 300 seconds unless they say otherwise', async () => {
  const tolerations = async (own: object[]) => {
    const object = { spec: { tolerations: own } };
    await runAdmission([defaultTolerationSeconds], attributesFor({ operation: 'CREATE', resource: 'pods', object }));
    return object.spec.tolerations;
  };
  const added = (key: string) => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 });
  const [notReady, unreachable] = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];
  assert.deepEqual(await tolerations([]), [added(notReady), added(unreachable)]);
  const own = { key: notReady, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 5 };
  assert.deepEqual(await tolerations([own]), [own, added(unreachable)]);
  assert.deepEqual(await tolerations([{ operator: 'Exists' }]), [{ operator: 'Exists' }]);
  const other = { key: notReady, effect: 'NoSchedule' };
  assert.deepEqual(await tolerations([other]), [other, added(notReady), added(unreachable)]);
});

test('a pod gets the priority of its class, of the default class, or none', async () => {
  const plugin = priorities({ name: 'high', value: 1000, preemptionPolicy: 'Never' });
  assert.deepEqual(await podSpec(plugin, { priorityClassName: 'high' }), {
    priorityClassName: 'high',
    priority: 1000,
    preemptionPolicy: 'Never',
  });
  assert.deepEqual(await podSpec(plugin, {}), { priority: 0, preemptionPolicy: 'PreemptLowerPriority' });
  const withDefault = priorities({ name: 'usual', value: 7, globalDefault: true });
  assert.deepEqual(await podSpec(withDefault, {}), {
    priorityClassName: 'usual',
    priority: 7,
    preemptionPolicy: 'PreemptLowerPriority',
  });
});

test('an unknown class, and a priority that is not the class’s, are refused', async () => {
  const plugin = priorities({ name: 'high', value: 1000 });
  const refusal = (spec: object) =>
    refusalOf(plugin, { operation: 'CREATE', resource: 'pods', namespace: 'ns', name: 'p', object: { spec } });
  assert.equal(
    await refusal({ priorityClassName: 'none' }),
    'pods "p" is forbidden: no PriorityClass with name none was found',
  );
  assert.equal(
    await refusal({ priorityClassName: 'high', priority: 5 }),
    'pods "p" is forbidden: the integer value of priority (5) must not be provided in pod spec; priority admission controller computed 1000 from the given PriorityClass name',
  );
  assert.equal(
    await refusal({ preemptionPolicy: 'Never' }),
    'pods "p" is forbidden: the string value of PreemptionPolicy (Never) must not be provided in pod spec; priority admission controller computed PreemptLowerPriority from the given PriorityClass name',
  );
  assert.equal(await refusal({ priorityClassName: 'high', priority: 1000 }), undefined);
});

test('an update that leaves the priority out keeps it', async () => {
  const oldObject = { spec: { priority: 9, preemptionPolicy: 'Never' } };
  const spec = await podSpec(priorities(), {}, { operation: 'UPDATE', oldObject });
  assert.deepEqual(spec, { priority: 9, preemptionPolicy: 'Never' });
});

test('there is one global default class', async () => {
  const plugin = priorities({ name: 'usual', value: 7, globalDefault: true });
  const refusal = (operation: 'CREATE' | 'UPDATE', name: string) =>
    refusalOf(plugin, {
      operation,
      resource: classes,
      name,
      object: { metadata: { name }, value: 1, globalDefault: true },
      oldObject: {},
    });
  assert.equal(
    await refusal('CREATE', 'second'),
    'priorityclasses.scheduling.k8s.io "second" is forbidden: PriorityClass usual is already marked as default. Only one default can exist',
  );
  assert.equal(await refusal('UPDATE', 'usual'), undefined);
});
