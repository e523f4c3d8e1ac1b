import assert from 'node:assert/strict';
import test from 'node:test';
import { encodeText } from '../lib/bytes.ts';
import { decodeObject, type FieldValidation } from './decode.ts';
import { findYamlDuplicates, maxJsonDepth, parseJson, parseYamlBody } from './json.ts';

const pod = { group: '', version: 'v1', kind: 'Pod' };

function decode(text: string, gvk = pod, fieldValidation: FieldValidation = 'Strict') {
  const { value, duplicates } = parseJson(encodeText(text), { duplicates: true });
  return decodeObject(value, { gvk, fieldValidation, duplicates });
}

const badPod = (why: string) => ({
  name: 'ApiError',
  reason: 'BadRequest',
  message: `Pod in version "v1" cannot be handled as a Pod: ${why}`,
});

test('a body without kind and apiVersion is what the URL says', () => {
  const { object } = decode('{"spec":{"nodeName":"n"},"metadata":{"name":"a"}}');
  assert.equal(JSON.stringify(object).slice(0, 50), '{"kind":"Pod","apiVersion":"v1","metadata":{"name"');
});

test('wrong types are refused in the words of Go', () => {
  const cases = [
    [
      '{"spec":{"nodeName":1}}',
      'json: cannot unmarshal number into Go struct field PodSpec.spec.nodeName of type string',
    ],
    [
      '{"spec":{"hostNetwork":"yes"}}',
      'json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool',
    ],
    [
      '{"metadata":{"labels":{"a":1}}}',
      'json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string',
    ],
    [
      '{"spec":{"containers":[{"env":[{"value":true}]}]}}',
      'json: cannot unmarshal bool into Go struct field EnvVar.spec.containers.env.value of type string',
    ],
    [
      '{"spec":{"containers":{}}}',
      'json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container',
    ],
    [
      '{"spec":{"containers":[{"resources":{"limits":{"cpu":"x"}}}]}}',
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ],
  ] as const;
  for (const [text, why] of cases) assert.throws(() => decode(text), badPod(why), text);
});

test('unknown and duplicate fields are errors, warnings or nothing', () => {
  const text = '{"spec":{"nodeName":"a","nodeName":"b","containers":[{"name":"c","foo":1,"Image":"x"}]}}';
  const complaints = [
    'unknown field "spec.containers[0].foo"',
    'unknown field "spec.containers[0].Image"',
    'duplicate field "spec.nodeName"',
  ];
  assert.throws(() => decode(text), badPod(`strict decoding error: ${complaints.join(', ')}`));
  const warned = decode(text, pod, 'Warn');
  assert.deepEqual(warned.warnings, complaints);
  assert.deepEqual(warned.object['spec'], { nodeName: 'b', containers: [{ name: 'c' }] });
  assert.deepEqual(decode(text, pod, 'Ignore').warnings, []);
});

test('what Go omits is left out, what it keeps stays', () => {
  const { object } = decode(
    '{"metadata":{"labels":{},"creationTimestamp":null},"spec":{"nodeName":"","hostNetwork":false,"terminationGracePeriodSeconds":0,"volumes":[{"name":"v","emptyDir":{}}],"containers":[]},"status":{}}',
  );
  assert.deepEqual(object, {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: {},
    spec: { terminationGracePeriodSeconds: 0, volumes: [{ name: 'v', emptyDir: {} }], containers: [] },
    status: {},
  });
});

test('resource lists are brought into canonical form, integers or strings stay what they are', () => {
  const { object } = decode(
    '{"spec":{"containers":[{"resources":{"requests":{"cpu":"1000m","memory":1024}},"livenessProbe":{"httpGet":{"port":"web"}},"readinessProbe":{"tcpSocket":{"port":80}}}]}}',
  );
  assert.deepEqual(object['spec'], {
    containers: [
      {
        resources: { requests: { cpu: '1', memory: '1024' } },
        livenessProbe: { httpGet: { port: 'web' } },
        readinessProbe: { tcpSocket: { port: 80 } },
      },
    ],
  });
});

test('a single quantity is canonical, and finer than milli', () => {
  const { object } = decode(
    '{"spec":{"volumes":[{"name":"a","emptyDir":{"sizeLimit":"1024Mi"}},{"name":"b","emptyDir":{"sizeLimit":"0.1m"}}]}}',
  );
  assert.match(JSON.stringify(object), /"sizeLimit":"1Gi".*"sizeLimit":"100u"/);
});

test('a body of another version or kind is refused', () => {
  assert.throws(() => decode('{"apiVersion":"v2","kind":"Pod"}'), {
    message: 'the API version in the data (v2) does not match the expected API version (v1)',
  });
  assert.throws(() => decode('{"apiVersion":"v1","kind":"Service"}'), {
    message: /^Service in version "v1" cannot be/,
  });
  assert.throws(() => decode('[]'), { message: /^the object provided is unrecognized \(must be of type Pod\)/ });
  const options = { group: '', version: 'v1', kind: 'DeleteOptions' };
  assert.equal(decode('{"apiVersion":"apps/v1","kind":"DeleteOptions"}', options).object['kind'], 'DeleteOptions');
});

test('a key named __proto__ is data', () => {
  const { object } = decode('{"metadata":{"annotations":{"__proto__":"x"}}}');
  assert.equal(JSON.stringify(object['metadata']), '{"annotations":{"__proto__":"x"}}');
});

test('secrets hold base64', () => {
  const secret = { group: '', version: 'v1', kind: 'Secret' };
  assert.throws(() => decode('{"data":{"a":"$"}}', secret), { message: /illegal base64 data at input byte 0/ });
  assert.deepEqual(decode('{"data":{"a":"aGk=","b":null}}', secret).object['data'], { a: 'aGk=', b: '' });
});

test('times are read as RFC 3339 and written in UTC', () => {
  const { object } = decode('{"metadata":{"creationTimestamp":"2026-01-02T03:04:05.678+01:00"}}');
  assert.deepEqual(object['metadata'], { creationTimestamp: '2026-01-02T02:04:05Z' });
  assert.throws(() => decode('{"metadata":{"creationTimestamp":"2026-02-30T03:04:05Z"}}'), { message: /parsing time/ });
});

test('a duplicate is found wherever it is, and strings fool nobody', () => {
  const text =
    '{"metadata":{"annotations":{"a\\"b:":"{\\"x\\":1,\\"x\\":2}","k":"\\\\"}},"spec":{"containers":[{},{"name":"a","name":"b"}]}}';
  assert.deepEqual(parseJson(encodeText(text), { duplicates: true }).duplicates, ['spec.containers[1].name']);
});

test('deep nesting is refused', () => {
  const text = `${'['.repeat(maxJsonDepth + 1)}${']'.repeat(maxJsonDepth + 1)}`;
  assert.throws(() => parseJson(encodeText(text), { duplicates: false }), { reason: 'BadRequest' });
  assert.throws(() => parseJson(encodeText('{"a"'), { duplicates: false }), { reason: 'BadRequest' });
});

test('yaml aliases cannot blow up or go round', () => {
  let bomb = 'a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n';
  for (let i = 1; i < 9; i++)
    bomb += `a${i}: &a${i} [${Array(10)
      .fill(`*a${i - 1}`)
      .join(',')}]\n`;
  assert.throws(() => parseYamlBody(bomb), { message: /excessive aliasing/ });
  assert.throws(() => parseYamlBody('a: &a [*a]'), { reason: 'BadRequest' });
  assert.deepEqual(parseYamlBody('a: &x {b: 1}\nc: *x'), { a: { b: 1 }, c: { b: 1 } });
});

test('a key that occurs twice in yaml is told of, not refused', () => {
  assert.deepEqual(parseYamlBody('a: 1\na: 2'), { a: 2 });
  assert.match(findYamlDuplicates('a: 1\na: 2').join(), /^yaml: duplicated mapping key/);
  assert.deepEqual(findYamlDuplicates('a: 1\nb: 2'), []);
});

test('complaints have a bound', () => {
  const long = 'k'.repeat(100_000);
  const unknown = Array.from({ length: 5000 }, (_, index) => `"x${index}":1`).join();
  const { warnings } = decode(`{"metadata":{"managedFields":[{"${long}":1,${unknown}}]}}`, pod, 'Warn');
  assert.equal(warnings.length, 100);
  assert.ok(warnings.every((warning) => warning.length < 5000));
  const doubled = `{"${long}":{${'"a":1,'.repeat(5000)}"a":1}}`;
  const { duplicates } = parseJson(encodeText(doubled), { duplicates: true });
  assert.ok(duplicates.length <= 100 && duplicates.every((path) => path.length < 5000));
});
