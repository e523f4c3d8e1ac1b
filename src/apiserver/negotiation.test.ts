import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accepted } from './negotiation.ts';

test('the first clause that can be given is taken, by quality and then by order', () => {
  const cases: [string, unknown][] = [
    ['application/json', { format: 'json', transform: 'none', metaVersion: 'v1' }],
    [
      'application/vnd.kubernetes.protobuf,application/json',
      { format: 'protobuf', transform: 'none', metaVersion: 'v1' },
    ],
    ['application/json;q=0.5, application/yaml', { format: 'yaml', transform: 'none', metaVersion: 'v1' }],
    ['text/html, */*;q=0.1', { format: 'json', transform: 'none', metaVersion: 'v1' }],
    [
      'application/json;as=Table;v=v1;g=meta.k8s.io,application/json',
      { format: 'json', transform: 'table', metaVersion: 'v1' },
    ],
    [
      'application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;g=meta.k8s.io;v=v1beta1',
      { format: 'json', transform: 'table', metaVersion: 'v1beta1' },
    ],
    [
      'application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json',
      { format: 'protobuf', transform: 'partial', metaVersion: 'v1' },
    ],
    ['application/cbor, application/json', { format: 'json', transform: 'none', metaVersion: 'v1' }],
    ['application/json;q=0', undefined],
    ['text/html', undefined],
  ];
  for (const [accept, expected] of cases) assert.deepEqual(accepted(accept), expected, accept);
});
