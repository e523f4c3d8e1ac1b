import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAgentIdentifiers } from '../agent-identifiers.ts';
import { checkAgentClaim } from './agent-claim.ts';

const check = (commonName: string | undefined, identifiers: string) =>
  checkAgentClaim(
    { commonName, identifiers: parseAgentIdentifiers(identifiers) },
    { nodeAddresses: (node) => (node === 'a' ? ['10.0.0.1'] : []) },
  );

test('a node may be the agent of its own name and addresses', () => {
  check('system:node:a', 'host=a&ipv4=10.0.0.1');
  check('system:node:a', '');
});

test('a node may claim no other name and no other address', () => {
  assert.throws(() => check('system:node:a', 'host=a&host=b'), { message: 'node a may not be the agent of host b' });
  assert.throws(() => check('system:node:b', 'ipv4=10.0.0.1'), {
    message: 'node b may not be the agent of address 10.0.0.1',
  });
  assert.throws(() => check('system:node:a', 'ipv6=::1'), { message: 'node a may not be the agent of address ::1' });
});

test('agents of the operator may claim what they are told to', () => {
  check('konnectivity-agent', 'host=b&ipv4=10.0.0.9');
  check(undefined, 'host=b');
});
