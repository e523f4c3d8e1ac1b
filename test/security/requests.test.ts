import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { connect } from 'node:tls';
import type { IssuedCertificate } from '../../src/pki/certificate-authority.ts';
import { grant, openBed, type SecurityBed } from './test-bed.ts';

const configMaps = '/api/v1/namespaces/default/configmaps';

describe('requests that want more than they say', () => {
  let bed: SecurityBed;
  let reader: IssuedCertificate;
  before(async () => {
    bed = await openBed({ controllers: false });
    reader = await bed.issue('reader');
    await grant(bed, 'reader', [{ apiGroups: [''], resources: ['configmaps'], verbs: ['*'] }]);
    await bed.create('/api/v1/namespaces/default/secrets', { metadata: { name: 'a' }, stringData: { key: 'value' } });
  });
  after(() => bed[Symbol.asyncDispose]());

  test('no spelling of a path leads from what a user may read to what it may not', async () => {
    const paths = [
      `${configMaps}/../secrets/a`,
      `${configMaps}/..%2fsecrets%2fa`,
      `${configMaps}/%2e%2e/secrets/a`,
      `${configMaps}/.%2e/secrets/a`,
      `${configMaps}/%252e%252e/secrets/a`,
      `${configMaps}/..%5csecrets%5ca`,
      `${configMaps}/./../secrets`,
      `${configMaps}/%00/../../secrets/a`,
      `${configMaps}/a%00b`,
      `${configMaps}/a/../../secrets/a`,
      `${configMaps}//a`,
      '/api/v1/namespaces/default//secrets',
      '/api/v1/namespaces//secrets',
      '//api/v1/secrets',
      '/api//v1/secrets',
      '/api/v1/namespaces/default/configmaps%2f..%2fsecrets',
      '/api/v1/namespaces/default%2fsecrets/configmaps',
      '/api/v1/namespaces/../secrets',
      '/api/v1/namespaces/..%2f..%2fregistry%2fsecrets/configmaps/a',
      '/apis/apps/v1/../../../api/v1/secrets',
      '/api/v1/SECRETS',
      '/API/v1/secrets',
      '/api/v1/proxy/namespaces/default/secrets/a',
      '/api/v1/watch/namespaces/default/secrets/a?timeoutSeconds=1',
      '/healthz/../api/v1/secrets',
      '/healthz/%2e%2e/api/v1/secrets',
      '/api/v1/namespaces/default/secrets/a?namespace=default&resource=configmaps',
      '/api/v1/namespaces/default/secrets;/a',
    ];
    for (const path of paths) {
      const answer = await bed.call(path, { certificate: reader });
      assert.ok([400, 403, 404].includes(answer.status), `${path}: ${answer.status} ${answer.body.slice(0, 200)}`);
      assert.ok(!answer.body.includes('dmFsdWU='), path);
    }
  });

  test('a URL of one scope reaches nothing of the other', async () => {
    const certificate = bed.admin;
    for (const path of [
      '/api/v1/namespaces/default/nodes',
      '/api/v1/namespaces/default/namespaces/kube-system',
      '/api/v1/namespaces/default/namespaces/kube-system/status',
      '/api/v1/namespaces/default/namespaces',
      '/apis/rbac.authorization.k8s.io/v1/namespaces/default/clusterroles/cluster-admin',
      '/api/v1/secrets/a',
      '/api/v1/configmaps/a',
    ]) {
      assert.equal((await bed.call(path, { certificate })).status, 404, path);
    }
    const create = { certificate, method: 'POST', body: { metadata: { name: 'x' } } };
    assert.equal((await bed.call('/api/v1/configmaps', create)).status, 405);
  });

  test('selectors name objects and nothing else', async () => {
    for (const name of ['..', '../../secrets/default/a', 'a/../b', '%2e%2e%2fsecrets', '/', '.']) {
      const answer = await bed.call(`${configMaps}?fieldSelector=metadata.name%3D${encodeURIComponent(name)}`, {
        certificate: reader,
      });
      assert.ok(
        answer.status === 400 || answer.body.includes('"items":[]'),
        `${name}: ${answer.status} ${answer.body.slice(0, 200)}`,
      );
    }
    const limited = await bed.issue('limited');
    await grant(bed, 'limited', [
      { apiGroups: [''], resources: ['secrets'], verbs: ['list', 'watch'], resourceNames: ['b'] },
    ]);
    const secrets = '/api/v1/namespaces/default/secrets';
    const selectors = [
      'metadata.name=a',
      'metadata.name!=b',
      'metadata.name=b/../a',
      'metadata.name=..',
      'type=Opaque',
      'metadata.namespace=default',
    ];
    for (const selector of selectors) {
      const answer = await bed.call(`${secrets}?fieldSelector=${encodeURIComponent(selector)}`, {
        certificate: limited,
      });
      assert.equal(answer.status, 403, `${selector}: ${answer.status} ${answer.body.slice(0, 200)}`);
    }
    const both = await bed.call(`${secrets}?fieldSelector=metadata.name%3Db&fieldSelector=metadata.name%3Da`, {
      certificate: limited,
    });
    assert.ok(!both.body.includes('dmFsdWU='));
    assert.equal((await bed.call(`${secrets}?fieldSelector=metadata.name%3Db`, { certificate: limited })).status, 200);
  });

  test('objects are not written under names that leave their place', async () => {
    for (const name of ['..', '.', 'a/b', '../a', 'a%2fb', 'A B', '']) {
      const answer = await bed.call(configMaps, {
        certificate: bed.admin,
        method: 'POST',
        body: { metadata: { name } },
      });
      assert.equal(answer.status, 422, `${JSON.stringify(name)}: ${answer.message}`);
    }
    const rbac = '/apis/rbac.authorization.k8s.io/v1/clusterroles';
    for (const name of ['..', '.', 'a/b', 'a%b']) {
      const answer = await bed.call(rbac, {
        certificate: bed.admin,
        method: 'POST',
        body: { metadata: { name }, rules: [] },
      });
      assert.equal(answer.status, 422, `${name}: ${answer.message}`);
    }
  });

  test('bodies that cost more than they weigh are refused', async () => {
    const certificate = bed.admin;
    const post = (body: string | Uint8Array, type = 'application/json') =>
      bed.call(configMaps, { certificate, method: 'POST', body, headers: { 'content-type': type } });
    const patch = (body: string, type: string) =>
      bed.call(`${configMaps}/bomb`, { certificate, method: 'PATCH', body, headers: { 'content-type': type } });
    assert.equal((await post('{"metadata":{"name":"bomb"},"data":{"a":"1"}}')).status, 201);
    const mib = 1024 * 1024;
    const large = await post(`{"metadata":{"name":"x"},"data":{"a":"${'x'.repeat(3 * mib)}"}}`);
    assert.deepEqual([large.status, large.message], [413, 'Request entity too large: limit is 3145728']);
    const chunked = await bed.call(configMaps, {
      certificate,
      method: 'POST',
      body: 'x'.repeat(4 * mib),
      headers: { 'content-length': [], 'transfer-encoding': 'chunked' },
    });
    assert.equal(chunked.status, 413);
    const aliases = ['a: &a ["x","x","x","x","x","x","x","x","x"]'];
    for (let level = 1; level < 10; level++) {
      const before = String.fromCharCode(96 + level);
      const name = String.fromCharCode(97 + level);
      aliases.push(`${name}: &${name} [${Array.from({ length: 9 }, () => `*${before}`).join(',')}]`);
    }
    const cases: [string, Promise<{ status: number; body: string }>][] = [
      ['deep arrays', post(`{"data":${'['.repeat(200_000)}${']'.repeat(200_000)}}`)],
      ['deep objects', post(`${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}`)],
      ['YAML aliases', post(aliases.join('\n'), 'application/yaml')],
      ['deep YAML', post('['.repeat(200_000), 'application/yaml')],
      ['a YAML type', post('metadata: !!js/function "function(){}"', 'application/yaml')],
      ['a protobuf that is none', post(Buffer.from('6b38730000ff', 'hex'), 'application/vnd.kubernetes.protobuf')],
      [
        '10,001 operations',
        patch(
          JSON.stringify(Array.from({ length: 10_001 }, () => ({ op: 'test', path: '/data/a', value: '1' }))),
          'application/json-patch+json',
        ),
      ],
      [
        'a deep merge patch',
        patch(`${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`, 'application/merge-patch+json'),
      ],
      ['copies that double', patch(JSON.stringify(doubling()), 'application/json-patch+json')],
      [
        'a prototype',
        patch(
          '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}',
          'application/merge-patch+json',
        ),
      ],
    ];
    for (const [what, call] of cases) {
      const answer = await call;
      const fine = what === 'a prototype' ? answer.status < 500 : answer.status >= 400 && answer.status < 500;
      assert.ok(fine, `${what}: ${answer.status} ${answer.body.slice(0, 300)}`);
    }
    assert.equal(Object.hasOwn(Object.prototype, 'polluted'), false);
    assert.equal((await bed.call('/readyz')).status, 200);
  });

  test('headers beyond the limit, and such as proxies misread, are refused', async () => {
    const huge = await rawRequest(bed, `GET /readyz HTTP/1.1\r\nHost: a\r\nX-A: ${'x'.repeat(1_100_000)}\r\n\r\n`);
    assert.match(huge, /^HTTP\/1\.1 431 /);
    const refused = [
      'GET /readyz HTTP/1.1\r\nHost: a\r\nX-Remote-User : root\r\n\r\n',
      'GET /readyz HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      'GET /readyz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
      'GET /readyz HTTP/1.1\r\nHost: a\r\nX-A: a\r\n b\r\n\r\n',
      'GET /readyz HTTP/1.1\r\nHost: a\r\nX-A: a\0b\r\n\r\n',
      'GET /readyz HTTP/1.1\n\n',
    ];
    for (const text of refused)
      assert.match(await rawRequest(bed, text), /^(HTTP\/1\.1 4\d\d |$)/, JSON.stringify(text));
  });
});

/** Copies of 100 KB that come to 6 MB. */
function doubling(): object[] {
  const start = { op: 'add', path: '/data/a', value: 'x'.repeat(100_000) };
  const copies = Array.from({ length: 60 }, (_, index) => ({ op: 'copy', from: '/data/a', path: `/data/b${index}` }));
  return [start, ...copies];
}

/** Sends bytes as they are and gives what comes back until the server closes or has answered. */
function rawRequest(bed: SecurityBed, text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port: Number(new URL(bed.cluster.server).port), ca: bed.cluster.ca });
    let received = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      received += chunk;
      if (received.includes('\r\n\r\n')) socket.destroy();
    });
    socket.on('error', () => {}); // writing to what the server has closed
    socket.on('close', () => resolve(received));
    socket.write(text, 'latin1');
  });
}
