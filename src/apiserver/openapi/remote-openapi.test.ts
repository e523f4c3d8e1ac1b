import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../api/object.ts';
import { mergeOpenApiV2 } from './remote-openapi.ts';

const ref = (name: string) => ({ $ref: `#/definitions/${name}` });

test('paths of others are added with the definitions they need; what is already called so is called otherwise', () => {
  const own = {
    swagger: '2.0',
    paths: { '/api/': {} },
    definitions: { A: { type: 'string' }, Same: { type: 'object' } },
  };
  const document: JsonObject = {
    paths: {
      '/apis/g/v1/things': { get: ref('B') },
      '/apis/g/v1': {},
      '/apis/g/v1x/others': { get: ref('C') },
      '/api/': { x: 1 },
    },
    definitions: {
      A: { type: 'integer' },
      B: { properties: { a: ref('A'), same: ref('Same'), b: ref('B'), gone: ref('Gone') } },
      C: {},
      Same: { type: 'object' },
    },
  };
  const remote = { generation: 1, v3Urls: () => new Map(), v2Documents: () => [{ prefix: '/apis/g/v1/', document }] };
  assert.deepEqual(mergeOpenApiV2(own, remote), {
    swagger: '2.0',
    paths: { '/api/': {}, '/apis/g/v1/things': { get: ref('B') }, '/apis/g/v1': {} },
    definitions: {
      A: { type: 'string' },
      Same: { type: 'object' },
      B: { properties: { a: ref('A_v2'), same: ref('Same'), b: ref('B'), gone: ref('Gone') } },
      A_v2: { type: 'integer' },
    },
  });
});
