import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleEndpoint, samplePort, samplePortState } from '../sample-ports.ts';
import { type Fragment, FragmentBuilder } from './fragment.ts';
import { serviceFragment } from './service-fragment.ts';
import { Table } from './table.ts';

const options = { localDetector: { kind: 'none' } } as const;
const port = samplePort();
const chain = 'service-ZZZ';

function service(...addresses: string[]): Fragment {
  return serviceFragment(
    'ip',
    [
      samplePortState(
        port,
        addresses.map((address) => sampleEndpoint(address)),
      ),
    ],
    options,
  );
}

function claim(key: string, verdict: string): Fragment {
  const builder = new FragmentBuilder('ip');
  builder.element('service-ips', key, verdict);
  return builder.build();
}

test('a change of one Service rewrites its chain only', () => {
  const table = new Table('ip');
  table.change(new Map([['a', service('10.1.0.1')]]));
  const commands = table.change(new Map([['a', service('10.1.0.1', '10.1.0.2')]]));
  const name = commands[0]?.split(' ').at(-1);
  assert.deepEqual(commands, [
    `flush chain ip kube-proxy ${name}`,
    `add rule ip kube-proxy ${name} meta l4proto tcp dnat ip addr . port to numgen random mod 2 map { 0 : 10.1.0.1 . 8080 , 1 : 10.1.0.2 . 8080 }`,
  ]);
  assert.deepEqual(table.change(new Map([['a', service('10.1.0.1', '10.1.0.2')]])), []);
});

test('a Service that loses its last endpoint is refused in the same transaction', () => {
  const table = new Table('ip');
  table.change(new Map([['a', service('10.1.0.1')]]));
  const commands = table
    .change(new Map([['a', service()]]))
    .map((command) => command.replace(/service-[A-Z2-7]{8}\S*/, chain));
  assert.deepEqual(commands, [
    'delete element ip kube-proxy service-ips { 10.96.0.10 . tcp . 80 }',
    'add element ip kube-proxy no-endpoint-services { 10.96.0.10 . tcp . 80 : goto reject-chain }',
    `flush chain ip kube-proxy ${chain}`,
  ]);
  assert.deepEqual(
    table.sweep().map((command) => command.replace(/service-[A-Z2-7]{8}\S*/, chain)),
    [`delete chain ip kube-proxy ${chain}`],
  );
  assert.equal(table.hasStale, false);
});

test('a chain that comes back before it is deleted is not deleted', () => {
  const table = new Table('ip');
  for (const fragment of [service('10.1.0.1'), service(), service('10.1.0.1')])
    table.change(new Map([['a', fragment]]));
  assert.deepEqual(table.sweep(), []);
});

test('of two Services that claim one address the first has it, and the second gets it after', () => {
  const table = new Table('ip');
  const key = '192.0.2.1 . tcp . 80';
  table.change(new Map([['a', claim(key, 'goto a')]]));
  assert.deepEqual(table.change(new Map([['b', claim(key, 'goto b')]])), []);
  assert.deepEqual(table.change(new Map([['a', undefined]])), [
    `delete element ip kube-proxy service-ips { ${key} }`,
    `add element ip kube-proxy service-ips { ${key} : goto b }`,
  ]);
  assert.deepEqual(table.change(new Map([['b', undefined]])), [`delete element ip kube-proxy service-ips { ${key} }`]);
});

test('a reset leaves no moment without a table', () => {
  const table = new Table('ip6');
  assert.deepEqual(table.reset(), [
    'add table ip6 kube-proxy',
    'delete table ip6 kube-proxy',
    'add table ip6 kube-proxy',
  ]);
});
