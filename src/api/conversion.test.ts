import assert from 'node:assert/strict';
import test from 'node:test';
import { convertObject, sameShape } from './conversion.ts';
import { DecodeContext } from './decode-context.ts';
import { decoderFor } from './decode-value.ts';
import type { JsonKubeObject, JsonObject } from './object.ts';
import { sampleObject } from './sample-object.ts';
import { scheme } from './scheme.ts';

function resource(group: string, version: string, name: string) {
  const info = scheme.find(group, version, name);
  assert.ok(info, `${group}/${version} ${name}`);
  return info;
}

test('every served version converts to the stored one and back without loss', () => {
  for (const info of scheme.resources) {
    const stored = scheme.storage(info.group, info.resource);
    if (stored === info || info.kind === 'HorizontalPodAutoscaler') continue;
    const sample = sampleObject(info.model);
    const object: JsonKubeObject = { kind: info.kind, apiVersion: 'x', metadata: {}, ...sample };
    if (info.version === 'v1beta1' && info.kind.startsWith('ResourceClaim')) continue;
    const there = convertObject(object, info, stored);
    assert.ok(there['apiVersion'] !== 'x');
    const context = new DecodeContext({ collectUnknown: true });
    decoderFor(stored.model).decode(there, context);
    assert.equal(context.error, undefined, info.model);
    assert.deepEqual(context.unknown, [], info.model);
    assert.deepEqual({ ...convertObject(there, stored, info), apiVersion: 'x' }, object, info.model);
  }
});

test('an event has the field names of the group it is read in', () => {
  const core = resource('', 'v1', 'events');
  const events = resource('events.k8s.io', 'v1', 'events');
  const event: JsonKubeObject = {
    kind: 'Event',
    apiVersion: 'v1',
    metadata: { name: 'e' },
    involvedObject: { kind: 'Pod' },
    message: 'm',
    reportingComponent: 'c',
  };
  const other = convertObject(event, core, events);
  assert.deepEqual(other, {
    kind: 'Event',
    apiVersion: 'events.k8s.io/v1',
    metadata: { name: 'e' },
    regarding: { kind: 'Pod' },
    note: 'm',
    reportingController: 'c',
  });
  assert.deepEqual(convertObject(other, events, core), event);
});

const v1 = resource('autoscaling', 'v1', 'horizontalpodautoscalers');
const v2 = resource('autoscaling', 'v2', 'horizontalpodautoscalers');

test('an autoscaler of version 1 becomes one of version 2 and back', () => {
  const object: JsonKubeObject = {
    kind: 'HorizontalPodAutoscaler',
    apiVersion: 'autoscaling/v1',
    metadata: { name: 'h' },
    spec: { maxReplicas: 3, targetCPUUtilizationPercentage: 50 },
    status: { currentReplicas: 1, currentCPUUtilizationPercentage: 20 },
  };
  const later = convertObject(object, v1, v2);
  assert.deepEqual(later['spec'], {
    maxReplicas: 3,
    metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } }],
  });
  const back = convertObject(later, v2, v1);
  assert.deepEqual(back['spec'], object['spec']);
  assert.deepEqual(back['status'], object['status']);
  const untargeted = convertObject({ ...object, spec: { maxReplicas: 1 } }, v1, v2);
  assert.match(JSON.stringify(untargeted['spec']), /"averageUtilization":80/);
});

test('what version 1 of an autoscaler cannot say survives in annotations', () => {
  const spec: JsonObject = {
    maxReplicas: 3,
    metrics: [
      { type: 'Pods', pods: { metric: { name: 'q' }, target: { type: 'AverageValue', averageValue: '5' } } },
      {
        type: 'Object',
        object: {
          describedObject: { kind: 'Ingress', name: 'i' },
          metric: { name: 'r', selector: { matchLabels: { a: 'b' } } },
          target: { type: 'Value', value: '7' },
        },
      },
      { type: 'External', external: { metric: { name: 'x' }, target: { type: 'AverageValue', averageValue: '9' } } },
    ],
    behavior: { scaleDown: { stabilizationWindowSeconds: 60, selectPolicy: 'Max' } },
  };
  const status = { conditions: [{ type: 'AbleToScale', status: 'True' }] };
  const object: JsonKubeObject = { kind: v2.kind, apiVersion: 'autoscaling/v2', metadata: { name: 'h' }, spec, status };
  const older = convertObject(object, v2, v1);
  assert.deepEqual(older['spec'], { maxReplicas: 3 });
  assert.deepEqual(convertObject(older, v1, v2), object);
});

test('requests of device claims are nested from v1beta2 on', () => {
  const old = resource('resource.k8s.io', 'v1beta1', 'resourceclaims');
  const current = resource('resource.k8s.io', 'v1', 'resourceclaims');
  const object: JsonKubeObject = {
    kind: 'ResourceClaim',
    apiVersion: 'resource.k8s.io/v1beta1',
    metadata: {},
    spec: {
      devices: {
        requests: [
          { name: 'a', deviceClassName: 'c', count: 1 },
          { name: 'b', firstAvailable: [] },
        ],
      },
    },
  };
  const nested = convertObject(object, old, current);
  assert.deepEqual(nested['spec'], {
    devices: {
      requests: [
        { name: 'a', exactly: { deviceClassName: 'c', count: 1 } },
        { name: 'b', firstAvailable: [] },
      ],
    },
  });
  assert.deepEqual(convertObject(nested, current, old), object);
  assert.equal(sameShape(old, current), false);
  assert.equal(
    sameShape(
      resource('storage.k8s.io', 'v1beta1', 'volumeattributesclasses'),
      resource('storage.k8s.io', 'v1', 'volumeattributesclasses'),
    ),
    true,
  );
});
