import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AgentIdentifiers, parseAgentIdentifiers } from '../agent-identifiers.ts';
import type { Backend } from './backend.ts';
import { BackendRegistry, parseProxyStrategies, removePort } from './backend-registry.ts';

/** What the registry looks at of a backend. */
function backend(agentId: string, identifiers = '', draining = false): Backend {
  const parsed: AgentIdentifiers = parseAgentIdentifiers(identifiers);
  return { agentId, identifiers: parsed, draining } as Backend; // the registry reads these three alone
}

test('ports are cut off as upstream does', () => {
  const cases = [
    ['localhost', 'localhost'],
    ['localhost:8080', 'localhost'],
    ['10.0.0.1:443', '10.0.0.1'],
    ['[::1]:8080', '::1'],
    ['[::1]', '::1'],
    ['::1', '::1'],
    ['2001:db8::1', '2001:db8::1'],
  ] as const;
  for (const [address, host] of cases) assert.equal(removePort(address), host);
});

test('strategies keep their order and duplicates; unknown and absent ones are refused with upstream’s words', () => {
  assert.deepEqual(parseProxyStrategies('destHost,,default,default'), ['destHost', 'default', 'default']);
  assert.throws(() => parseProxyStrategies(''), { name: 'ConfigError', message: 'ProxyStrategies cannot be empty' });
  assert.throws(() => parseProxyStrategies('nearest'), {
    name: 'ConfigError',
    message: 'invalid proxy strategies: unknown proxy strategy: nearest',
  });
});

test('destHost takes the agent that names the host exactly, then the next strategy decides', () => {
  const registry = new BackendRegistry(['destHost', 'defaultRoute', 'default'], { random: () => 0 });
  const [plain, routed, named] = [
    backend('plain'),
    backend('routed', 'default-route=true'),
    backend('named', 'host=node-1&ipv4=10.0.0.1&ipv6=2001:db8::1'),
  ];
  for (const each of [plain, routed, named]) registry.add(each);
  for (const address of ['node-1:10250', '10.0.0.1:80', '[2001:db8::1]:80']) {
    assert.equal(registry.find(address), named);
  }
  assert.equal(registry.find('NODE-1:10250'), routed);
  registry.remove(routed);
  assert.equal(registry.find('node-2:10250'), plain);
  assert.deepEqual([...registry.counts().values()], [3, 0, 2]);
});

test('several streams of one agent count once, and the oldest is used until it goes', () => {
  const registry = new BackendRegistry(['default']);
  const [first, second] = [backend('agent'), backend('agent')];
  for (const each of [first, second, first]) registry.add(each);
  assert.equal(registry.counts().get('default'), 1);
  assert.equal(registry.find('a:1'), first);
  registry.remove(first);
  assert.equal(registry.find('a:1'), second);
  assert.equal(registry.ready, true);
  registry.remove(second);
  assert.equal(registry.find('a:1'), undefined);
  assert.equal(registry.ready, false);
});

test('a draining agent is used only where there is no other', () => {
  for (const strategy of ['default', 'destHost'] as const) {
    const registry = new BackendRegistry([strategy], { random: () => 0 });
    const draining = backend('a', 'host=node', true);
    registry.add(draining);
    assert.equal(registry.find('node:1'), draining);
    const other = backend('b', 'host=node');
    registry.add(other);
    assert.equal(registry.find('node:1'), other);
  }
});

test('identifiers are read like a URL query', () => {
  const read = parseAgentIdentifiers('host=a&host=b%20c&ipv4=1.2.3.4&ipv6=::1&cidr=10.0.0.0/8&default-route=T&x=y');
  assert.deepEqual(read, {
    host: ['a', 'b c'],
    ipv4: ['1.2.3.4'],
    ipv6: ['::1'],
    cidr: ['10.0.0.0/8'],
    defaultRoute: true,
  });
  assert.equal(parseAgentIdentifiers('default-route=yes').defaultRoute, false);
  for (const text of ['host=a;b', 'host=%zz']) {
    assert.throws(() => parseAgentIdentifiers(text), { name: 'ConfigError' });
  }
  assert.throws(() => parseAgentIdentifiers('x=y', { strict: true }), { name: 'ConfigError' });
});
