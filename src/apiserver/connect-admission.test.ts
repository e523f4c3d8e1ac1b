import assert from 'node:assert/strict';
import test from 'node:test';
import { forbidden } from '../api/errors.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission/admission.ts';
import { admitConnect, parseConnectOptions } from './connect-admission.ts';
import type { RequestContext } from './exchange.ts';

/** Only what admission of a connection looks at. */
function contextOf(subresource: string, query: string): RequestContext {
  return {
    exchange: { query: new URLSearchParams(query) },
    info: { group: '', version: 'v1', resource: 'pods', subresource, namespace: 'default', name: 'web-0' },
    user: { username: 'jane', groups: [] },
    warn() {},
  } as unknown as RequestContext;
}

test('the options of a connection are read from its query', () => {
  const exec = new URLSearchParams('container=web&command=ls&command=-l&stdin=true&tty=false&stdout&stderr=0');
  assert.deepEqual(parseConnectOptions('PodExecOptions', exec), {
    kind: 'PodExecOptions',
    apiVersion: 'v1',
    metadata: {},
    container: 'web',
    command: ['ls', '-l'],
    stdin: true,
    stdout: true,
  });
  const ports = parseConnectOptions('PodPortForwardOptions', new URLSearchParams('ports=80,81&ports=82'));
  assert.deepEqual(ports['ports'], [80, 81, 82]);
});

test('admission is asked about exec, attach and port-forward, and may refuse', async () => {
  const asked: AdmissionAttributes[] = [];
  const plugin: AdmissionPlugin = {
    name: 'Guard',
    validate(attributes) {
      asked.push(attributes);
      throw forbidden({ group: '', resource: 'pods' }, attributes.name, 'no connections today');
    },
  };
  for (const subresource of ['exec', 'attach', 'portforward']) {
    await assert.rejects(admitConnect([plugin], contextOf(subresource, 'command=sh')), { reason: 'Forbidden' });
  }
  assert.deepEqual(
    asked.map(({ operation, subresource, object }) => [operation, subresource, object?.kind]),
    [
      ['CONNECT', 'exec', 'PodExecOptions'],
      ['CONNECT', 'attach', 'PodAttachOptions'],
      ['CONNECT', 'portforward', 'PodPortForwardOptions'],
    ],
  );
});

test('admission is not asked about logs, which are only read', async () => {
  const plugin: AdmissionPlugin = { name: 'Guard', validate: () => assert.fail('asked') };
  await admitConnect([plugin], contextOf('log', ''));
});

test('a proxied request shows admission the path that it goes to', async () => {
  const asked: AdmissionAttributes[] = [];
  const plugin: AdmissionPlugin = { name: 'Guard', validate: (attributes) => void asked.push(attributes) };
  const context = contextOf('proxy', 'path=/elsewhere');
  const info = { ...context.info, path: '/api/v1/namespaces/default/pods/web-0/proxy/a/b/', rest: ['a', 'b'] };
  await admitConnect([plugin], { ...context, info });
  assert.deepEqual(
    asked.map(({ operation, object }) => [operation, object]),
    [['CONNECT', { kind: 'PodProxyOptions', apiVersion: 'v1', metadata: {}, path: '/a/b/' }]],
  );
});
