import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleEndpoint, samplePort } from '../sample-ports.ts';
import { affinitySet, endpointChain, portChain } from './names.ts';

test('chains are named as upstream names them', () => {
  const port = samplePort({ namespace: 'ns1', name: 'svc1', portName: 'p80' });
  assert.equal(portChain('service', port), 'service-ULMVA6XW-ns1/svc1/tcp/p80');
  const endpoint = sampleEndpoint('10.180.0.1', { port: 80 });
  assert.equal(endpointChain(port, endpoint), 'endpoint-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80');
  assert.equal(affinitySet(port, endpoint), 'affinity-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80');
});

test('names stay short, and apart where they had to be cut', () => {
  const long = { namespace: 'n'.repeat(63), portName: 'p'.repeat(63) };
  const [a, b] = ['a', 'b'].map((end) => portChain('service', samplePort({ ...long, name: 's'.repeat(62) + end })));
  assert.ok((a?.length ?? 0) <= 200);
  assert.notEqual(a, b);
});

test('nothing that is no name gets into a command', () => {
  const port = samplePort({ name: 'x; flush ruleset\n' });
  assert.match(portChain('service', port), /^[A-Za-z0-9/_.-]+$/);
});
