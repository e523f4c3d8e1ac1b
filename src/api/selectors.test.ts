import assert from 'node:assert/strict';
import test from 'node:test';
import { parseFieldSelector } from './field-selector-parser.ts';
import { compileFieldSelector, singleName } from './field-selectors.ts';
import { parseLabelSelector, selectorFromObject } from './selectors.ts';

test('label selectors select', () => {
  const cases = [
    ['a=b', { a: 'b' }, true],
    ['a=b', { a: 'c' }, false],
    ['a==b,c', { a: 'b', c: '' }, true],
    ['a!=b', {}, true],
    ['a!=b', { a: 'b' }, false],
    ['a in (b, c)', { a: 'c' }, true],
    ['a in (b,c)', {}, false],
    ['a notin (b,c)', {}, true],
    ['a notin (b,c)', { a: 'b' }, false],
    ['a', { a: 'x' }, true],
    ['!a', {}, true],
    ['!a', { a: '' }, false],
    ['a=', { a: '' }, true],
    ['a>5', { a: '6' }, true],
    ['a<5', { a: '6' }, false],
    ['a in ()', { a: '' }, true],
    ['example.com/a=b , c notin (d)', { 'example.com/a': 'b' }, true],
    ['in', { in: 'x' }, true],
    ['', {}, true],
    ['constructor', {}, false],
  ] as const;
  for (const [text, labels, expected] of cases) {
    assert.equal(parseLabelSelector(text).matches(labels), expected, `${text} on ${JSON.stringify(labels)}`);
  }
});

test('a broken label selector is a bad request', () => {
  for (const text of ['a=b=c', 'a in b', ',', 'a,', '!', 'a in (b', '=b', 'a>b', '-a=b', 'a=-', 'x/y/z', 'a b']) {
    assert.throws(() => parseLabelSelector(text), { name: 'ApiError', reason: 'BadRequest' }, text);
  }
});

test('the text of a selector is canonical', () => {
  assert.equal(parseLabelSelector('z in (b,a), a == 1,!q').text, 'a=1,!q,z in (a,b)');
});

test('an absent label selector selects nothing, an empty one everything', () => {
  assert.equal(selectorFromObject(undefined).matches({}), false);
  assert.equal(selectorFromObject({}).matches({ a: 'b' }), true);
  const selector = selectorFromObject({
    matchLabels: { a: 'b' },
    matchExpressions: [{ key: 'c', operator: 'NotIn', values: ['d'] }],
  });
  assert.equal(selector.matches({ a: 'b' }), true);
  assert.equal(selector.matches({ a: 'b', c: 'd' }), false);
  assert.throws(() => selectorFromObject({ matchExpressions: [{ key: 'a', operator: 'Foo' }] }), {
    message: '"Foo" is not a valid label selector operator',
  });
});

const pods = { group: '', resource: 'pods', kind: 'Pod' };

test('field selectors select by the fields of the resource', () => {
  const pod = { metadata: { name: 'a', namespace: 'd' }, spec: { nodeName: 'n' }, status: { phase: 'Running' } };
  const matches = (text: string) => compileFieldSelector(pods, text)(pod);
  assert.equal(matches('spec.nodeName=n,status.phase!=Failed'), true);
  assert.equal(matches('spec.nodeName=,metadata.name=a'), false);
  assert.equal(matches('spec.hostNetwork=false'), true);
  assert.equal(matches(''), true);
  const event = { involvedObject: { kind: 'Pod' }, source: { component: 'kubelet' } };
  const events = { group: '', resource: 'events', kind: 'Event' };
  assert.equal(compileFieldSelector(events, 'involvedObject.kind=Pod,source=kubelet')(event), true);
  const jobs = { group: 'batch', resource: 'jobs', kind: 'Job' };
  assert.equal(compileFieldSelector(jobs, 'status.successful=0')({}), true);
});

test('a field that no selector knows is refused as upstream refuses it', () => {
  assert.throws(() => compileFieldSelector(pods, 'spec.foo=1'), {
    reason: 'BadRequest',
    message: 'field label not supported: spec.foo',
  });
  const configMaps = { group: '', resource: 'configmaps', kind: 'ConfigMap' };
  assert.throws(() => compileFieldSelector(configMaps, 'data=1'), {
    message: '"data" is not a known field selector: only "metadata.name", "metadata.namespace"',
  });
  assert.throws(() => parseFieldSelector('foo'), { message: "invalid selector: 'foo'; can't understand 'foo'" });
  assert.throws(() => compileFieldSelector(pods, 'constructor=1'), { reason: 'BadRequest' });
});

test('escapes in field selectors stand for themselves', () => {
  assert.deepEqual(parseFieldSelector('a=x\\,y\\=z,b!=\\\\'), [
    { field: 'a', equal: true, value: 'x,y=z' },
    { field: 'b', equal: false, value: '\\' },
  ]);
  assert.throws(() => parseFieldSelector('a=b=c'), { reason: 'BadRequest' });
});

test('a selector for one name says so', () => {
  assert.equal(singleName('metadata.name=web-0,status.phase=Running'), 'web-0');
  assert.equal(singleName('metadata.name!=web-0'), undefined);
});
