import assert from 'node:assert/strict';
import test from 'node:test';
import { types } from '../api/model.ts';
import type { JsonKubeObject } from '../api/object.ts';
import { sampleObject } from '../api/sample-object.ts';
import { scheme } from '../api/scheme.ts';
import { messageCodec } from './message-codec.ts';
import {
  decodeProtobufObject,
  encodeProtobufItem,
  encodeProtobufObject,
  encodeProtobufWatchEvent,
  joinProtobufList,
  wrapProtobufObject,
} from './object-protobuf.ts';
import { partialMetadataItem } from './partial-metadata-codec.ts';
import { ProtobufReader } from './protobuf.ts';

const podGvk = { group: '', version: 'v1', kind: 'Pod' };
const podModel = 'io.k8s.api.core.v1.Pod';

test('every model comes back as it went', () => {
  let models = 0;
  for (const [name, model] of Object.entries(types.models)) {
    if (model.fields === undefined || name.startsWith('io.k8s.apimachinery.pkg.version')) continue;
    const object = sampleObject(name);
    const decoded = {};
    messageCodec(name).readInto(new ProtobufReader(encodeProtobufItem(object, name)), decoded, 0);
    assert.deepEqual(decoded, object, name);
    models++;
  }
  assert.ok(models > 700);
});

test('every resource comes back in its envelope', () => {
  for (const info of scheme.resources) {
    const object = { kind: info.kind, apiVersion: '', metadata: {}, ...sampleObject(info.model) };
    const { gvk, object: decoded } = decodeProtobufObject(encodeProtobufObject(object, info));
    assert.deepEqual(gvk, { group: info.group, version: info.version, kind: info.kind });
    assert.deepEqual({ ...decoded, apiVersion: '' }, object);
  }
});

test('a body assembled by hand is read by the rules of Go', () => {
  // Deployment apps/v1: metadata {name "web", creationTimestamp {}}, spec {replicas 0, paused false, strategy {}}, status {}
  const meta = Buffer.from('0a03776562' + '1200' + '1a00' + '4200', 'hex');
  const spec = Buffer.from('0800' + '3800' + '2200', 'hex');
  const raw = Buffer.concat([
    Buffer.from([0x0a, meta.length]),
    meta,
    Buffer.from([0x12, spec.length]),
    spec,
    Buffer.from('1a00', 'hex'),
  ]);
  const typeMeta = Buffer.concat([
    Buffer.from('0a07', 'hex'),
    Buffer.from('apps/v1'),
    Buffer.from('120a', 'hex'),
    Buffer.from('Deployment'),
  ]);
  const body = Buffer.concat([
    Buffer.from('k8s\0'),
    Buffer.from([0x0a, typeMeta.length]),
    typeMeta,
    Buffer.from([0x12, raw.length]),
    raw,
    Buffer.from('1a002200', 'hex'),
  ]);
  assert.deepEqual(decodeProtobufObject(body).object, {
    kind: 'Deployment',
    apiVersion: 'apps/v1',
    metadata: { name: 'web' },
    spec: { replicas: 0, strategy: {} },
    status: {},
  });
});

test('embedded structs are nested on the wire: a volume with a source', () => {
  const bytes = encodeProtobufItem({ name: 'v', emptyDir: {} }, 'io.k8s.api.core.v1.Volume');
  assert.equal(Buffer.from(bytes).toString('hex'), '0a0176' + '1202' + '1200');
  const rule = { operations: ['CREATE'], apiGroups: ['*'], scope: '*', resourceNames: ['a'] };
  const named = encodeProtobufItem(rule, 'io.k8s.api.admissionregistration.v1.NamedRuleWithOperations');
  assert.equal(
    Buffer.from(named).toString('hex'),
    '0a0161' + '1210' + '0a06435245415445' + '1206' + '0a012a' + '22012a',
  );
});

test('integers or strings, quantities and times have forms of their own', () => {
  const port = encodeProtobufItem({ port: 80, targetPort: 'web' }, 'io.k8s.api.core.v1.ServicePort');
  assert.equal(Buffer.from(port).toString('hex'), '1850' + '2209' + '0801' + '1000' + '1a03776562');
});

test('a list is its items put together', () => {
  const pods = ['a', 'b'].map((name) => ({ metadata: { name, resourceVersion: '1' }, spec: {}, status: {} }));
  const items = pods.map((pod) => encodeProtobufItem(pod, podModel));
  const listGvk = { group: '', version: 'v1', kind: 'PodList' };
  const joined = joinProtobufList(listGvk, { resourceVersion: '7' }, items);
  const whole = encodeProtobufObject({ metadata: { resourceVersion: '7' }, items: pods }, listGvk);
  assert.deepEqual(Buffer.from(joined), Buffer.from(whole));
  assert.deepEqual(decodeProtobufObject(joined).object['items'], pods);
});

test('metadata alone travels as PartialObjectMetadata', () => {
  const pod = { metadata: { name: 'a', labels: { x: 'y' } }, spec: { nodeName: 'n' } };
  const gvk = { group: 'meta.k8s.io', version: 'v1', kind: 'PartialObjectMetadata' };
  assert.deepEqual(decodeProtobufObject(encodeProtobufObject(pod, gvk)).object, {
    kind: 'PartialObjectMetadata',
    apiVersion: 'meta.k8s.io/v1',
    metadata: pod.metadata,
  });
  for (const version of ['v1', 'v1beta1']) {
    const listGvk = { group: 'meta.k8s.io', version, kind: 'PartialObjectMetadataList' };
    const list = joinProtobufList(listGvk, {}, [encodeProtobufItem(pod, partialMetadataItem)]);
    assert.deepEqual(decodeProtobufObject(list).object['items'], [{ metadata: pod.metadata }]);
    assert.deepEqual(Buffer.from(encodeProtobufObject({ metadata: {}, items: [pod] }, listGvk)), Buffer.from(list));
  }
});

test('a watch event is framed by its length', () => {
  const envelope = wrapProtobufObject(podGvk, encodeProtobufItem({ metadata: { name: 'a'.repeat(200) } }, podModel));
  const frame = Buffer.from(encodeProtobufWatchEvent('ADDED', envelope));
  assert.equal(frame.readUInt32BE(0), frame.length - 4);
  const reader = new ProtobufReader(frame.subarray(4));
  assert.equal(reader.tag(), 0x0a);
  assert.equal(reader.text(), 'ADDED');
  assert.equal(reader.tag(), 0x12);
  const object = reader.message();
  assert.equal(object.tag(), 0x0a);
  assert.deepEqual(object.bytes(), Buffer.from(envelope));
  assert.ok(reader.atEnd && object.atEnd);
});

test('delete options come stamped with any group-version', () => {
  const gvk = { group: 'apps', version: 'v1', kind: 'DeleteOptions' };
  const options = { gracePeriodSeconds: 0, propagationPolicy: 'Background', preconditions: { uid: 'u' } };
  const { object } = decodeProtobufObject(encodeProtobufObject(options, gvk));
  assert.deepEqual(object, { kind: 'DeleteOptions', apiVersion: 'apps/v1', metadata: {}, ...options });
});

test('a status can be sent', () => {
  const gvk = { group: '', version: 'v1', kind: 'Status' };
  const status = {
    metadata: {},
    status: 'Failure',
    message: 'no',
    reason: 'NotFound',
    details: { name: 'a' },
    code: 404,
  };
  const { object } = decodeProtobufObject(encodeProtobufObject(status, gvk));
  assert.deepEqual(object, { kind: 'Status', apiVersion: 'v1', ...status });
});

test('bytes cut short or changed either decode or are a protocol error', () => {
  const whole = Buffer.from(encodeProtobufObject(sampleObject(podModel), podGvk));
  const tryDecode = (bytes: Uint8Array): JsonKubeObject | undefined => {
    try {
      return decodeProtobufObject(bytes).object;
    } catch (error) {
      const { name } = error as Error;
      assert.ok(name === 'ProtocolError' || name === 'ApiError', `${name}: ${(error as Error).stack}`);
      return undefined;
    }
  };
  for (let length = 0; length < whole.length; length += 1 + Math.floor(length / 400)) {
    tryDecode(whole.subarray(0, length));
  }
  // A fixed sequence, so that a failure can be seen again.
  let seed = 1;
  const random = (below: number) => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % below;
  };
  for (let round = 0; round < 1500; round++) {
    const changed = Buffer.from(whole);
    changed[4 + random(changed.length - 4)] = random(256);
    tryDecode(changed);
  }
});

test('nesting has a bound', () => {
  let schema = Buffer.alloc(0);
  for (let level = 0; level < 3000; level++) {
    const length = Buffer.alloc(5);
    let at = 0;
    for (let rest = schema.length; ; rest >>>= 7) {
      length[at++] = (rest & 0x7f) | (rest >= 0x80 ? 0x80 : 0);
      if (rest < 0x80) break;
    }
    // JSONSchemaProps.not = 28
    schema = Buffer.concat([Buffer.from([0xe2, 0x01]), length.subarray(0, at), schema]);
  }
  const model = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps';
  assert.throws(() => messageCodec(model).readInto(new ProtobufReader(schema), {}, 0), { name: 'ProtocolError' });
});

test('what is no object in protobuf is refused', () => {
  assert.throws(() => decodeProtobufObject(Buffer.from('{}')), { name: 'ProtocolError' });
  assert.throws(() => decodeProtobufObject(Buffer.from('k8s\0')), { name: 'ProtocolError' });
  const unknown = wrapProtobufObject({ group: 'x.io', version: 'v1', kind: 'Foo' }, new Uint8Array());
  assert.throws(() => decodeProtobufObject(unknown), { name: 'ApiError', reason: 'BadRequest' });
  assert.equal(
    decodeProtobufObject(wrapProtobufObject({ group: '', version: '', kind: '' }, new Uint8Array()), {
      fallback: podGvk,
    }).gvk.kind,
    'Pod',
  );
});
