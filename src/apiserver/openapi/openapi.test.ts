import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../api/object.ts';
import { scheme } from '../../api/scheme.ts';
import { ProtobufReader } from '../../wire/protobuf.ts';
import { buildOpenApiV2, buildOpenApiV3, documentKeys } from './documents.ts';
import { encodeOpenApiV2 } from './gnostic.ts';

test('every group-version has a document with a path for each of its resources', () => {
  assert.ok(documentKeys().includes('api/v1') && documentKeys().includes('apis/apps/v1'));
  for (const key of documentKeys()) {
    const paths = Object.keys(buildOpenApiV3(key)?.['paths'] as JsonObject);
    for (const { group, version, resource } of scheme.resources) {
      const root = group === '' ? `api/${version}` : `apis/${group}/${version}`;
      if (root === key)
        assert.ok(
          paths.some((path) => path.endsWith(`/${resource}`)),
          `${key} ${resource}`,
        );
    }
  }
});

test('every reference in a document leads to a schema of that document', () => {
  for (const key of documentKeys()) {
    const document = buildOpenApiV3(key) ?? {};
    const schemas = (document['components'] as JsonObject)['schemas'] as JsonObject;
    for (const [, name = ''] of JSON.stringify(document).matchAll(/#\/components\/schemas\/([\w.-]+)/g)) {
      assert.ok(schemas[name], `${key} has no ${name}`);
    }
  }
});

test('clients find out that patches of each kind can be validated by the server', () => {
  const paths = buildOpenApiV3('apis/apps/v1')?.['paths'] as JsonObject;
  const item = paths['/apis/apps/v1/namespaces/{namespace}/deployments/{name}'] as JsonObject;
  const patch = item['patch'] as JsonObject;
  assert.deepEqual(patch['x-kubernetes-group-version-kind'], { group: 'apps', kind: 'Deployment', version: 'v1' });
  const names = (patch['parameters'] as JsonObject[]).map((parameter) => parameter['name']);
  assert.ok(names.includes('fieldValidation') && names.includes('dryRun'));
});

test('an unknown key has no document', () => {
  assert.equal(buildOpenApiV3('apis/apps/v9'), undefined);
  assert.equal(buildOpenApiV3('__proto__'), undefined);
});

test('the protobuf form of OpenAPI 2 has every definition', () => {
  const document = buildOpenApiV2();
  const reader = new ProtobufReader(encodeOpenApiV2(document));
  const definitions: string[] = [];
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag >>> 3 !== 9) {
      reader.skip(tag & 7);
      continue;
    }
    const list = reader.message();
    while (list.tag() !== 0) {
      const entry = list.message();
      entry.tag();
      definitions.push(entry.text());
    }
  }
  assert.deepEqual(definitions, Object.keys(document['definitions'] as JsonObject));
});
