import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node, Pod, Service } from '../../api/kubernetes/core-v1.ts';
import type { EndpointSlice } from '../../api/kubernetes/discovery-v1.ts';
import type { KubeObject } from '../../api/object.ts';
import type { ObjectSource } from '../../auth/object-source.ts';
import { refusedPodAddress } from './address-rules.ts';
import { controlPlaneAddresses } from './control-plane-addresses.ts';
import type { DestinationOptions } from './destination.ts';
import { resolveNode } from './resolve-node.ts';
import { resolvePod } from './resolve-pod.ts';
import { resolveService } from './resolve-service.ts';

type Stored = readonly [resource: string, object: KubeObject];

function optionsOf(...stored: readonly Stored[]): DestinationOptions {
  const find = (resource: string) => stored.filter(([name]) => name === resource).map(([, object]) => object);
  const objects: ObjectSource = {
    get: <T extends KubeObject>(resource: string, key: { namespace: string; name: string }) =>
      find(resource).find(
        ({ metadata }) => metadata?.name === key.name && (metadata?.namespace ?? '') === key.namespace,
      ) as T | undefined, // by resource name
    list: <T extends KubeObject>(resource: string, namespace?: string) =>
      find(resource).filter(({ metadata }) => namespace === undefined || metadata?.namespace === namespace) as T[],
    subscribe: () => ({ [Symbol.dispose]() {} }),
  };
  return { objects, reserved: controlPlaneAddresses(() => ['10.0.0.1', '127.0.0.1']), random: () => 0 };
}

const hostNode: Node = {
  metadata: { name: 'n1' },
  spec: { podCIDRs: ['127.64.5.0/24'] },
  status: {
    addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
    daemonEndpoints: { kubeletEndpoint: { Port: 10250 } },
  },
};
const farNode: Node = {
  metadata: { name: 'n2' },
  spec: { podCIDRs: ['10.244.2.0/24', 'fd00:2::/64'] },
  status: { addresses: [{ type: 'InternalIP', address: '10.0.0.2' }] },
};
const openNode: Node = { metadata: { name: 'n3' }, status: { addresses: [] } };

function pod(name: string, node: string, ips: string[], rest: Partial<Pod> = {}): Stored {
  const object: Pod = {
    metadata: { name, namespace: 'default', uid: `uid-${name}` },
    spec: { nodeName: node, containers: [{ name: 'c', ports: [{ containerPort: 8080 }] }], ...rest.spec },
    status: { phase: 'Running', podIPs: ips.map((ip) => ({ ip })), ...rest.status },
  };
  return ['pods', object];
}

function service(ports: NonNullable<Service['spec']>['ports']): Stored {
  return ['services', { metadata: { name: 'web', namespace: 'default' }, spec: { ports } } as Service];
}

function slice(...endpoints: [address: string, pod: string | undefined, ready?: boolean][]): Stored {
  const object: EndpointSlice = {
    metadata: { name: 'web-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    ports: [
      { name: 'http', port: 8080 },
      { name: 'admin', port: 9090, appProtocol: 'https' },
    ],
    endpoints: endpoints.map(([address, name, ready = true]) => ({
      addresses: [address],
      conditions: { ready },
      ...(name !== undefined && { targetRef: { kind: 'Pod', namespace: 'default', name } }),
    })),
  };
  return ['endpointslices.discovery.k8s.io', object];
}

const nodes: Stored[] = [
  ['nodes', hostNode],
  ['nodes', farNode],
  ['nodes', openNode],
];
const ports = [
  { name: 'http', port: 80 },
  { name: 'admin', port: 81 },
];
const web = { namespace: 'default', name: 'web' };

test('a service leads to a ready pod, by the number or the name of its port', () => {
  const options = optionsOf(...nodes, service(ports), pod('a', 'n2', ['10.244.2.7']), slice(['10.244.2.7', 'a']));
  const found = { host: '10.244.2.7', node: 'n2', pod: { namespace: 'default', name: 'a', uid: 'uid-a' } };
  for (const port of ['80', 80, 'http']) {
    assert.deepEqual(resolveService({ ...web, port }, options), { ...found, port: 8080, protocolHint: undefined });
  }
  assert.deepEqual(resolveService({ ...web, port: '81' }, options), { ...found, port: 9090, protocolHint: 'https' });
});

test('a service without a usable endpoint is unavailable in the words of upstream', () => {
  const label = 'http:web:http';
  const target = [...nodes, service(ports), pod('a', 'n2', ['10.244.2.7'])];
  const cases: [stored: Stored[], port: string, message: string][] = [
    [target, 'http', 'no endpoints available for service "web"'],
    [[...target, slice()], 'http', `no endpoints available for service "${label}"`],
    [[...target, slice(['10.244.2.7', 'a'])], '99', 'no service port 99 found for service "web"'],
    [[...target, slice(['10.244.2.7', 'a'])], '', `no endpoints available for service "${label}"`],
    [[...target, slice(['10.244.2.7', 'a'])], 'other', `no endpoints available for service "${label}"`],
    [[...target, slice(['10.244.2.7', 'a', false])], 'http', `no endpoints available for service "${label}"`],
    [[...target, slice(['10.244.2.7', undefined])], 'http', `no endpoints available for service "${label}"`],
    [[...target, slice(['10.244.2.7', 'b'])], 'http', `no endpoints available for service "${label}"`],
    [[...target, slice(['10.244.2.8', 'a'])], 'http', `no endpoints available for service "${label}"`],
  ];
  for (const [stored, port, message] of cases) {
    assert.throws(() => resolveService({ ...web, port, label }, optionsOf(...stored)), {
      reason: 'ServiceUnavailable',
      message,
    });
  }
  assert.throws(() => resolveService({ ...web, port: '' }, optionsOf()), { reason: 'NotFound' });
});

test('endpoints that the address rules refuse are passed over', () => {
  const options = optionsOf(
    ...nodes,
    service(ports),
    pod('liar', 'n2', ['169.254.169.254']),
    pod('honest', 'n2', ['10.244.2.9']),
    slice(['169.254.169.254', 'liar'], ['10.244.2.9', 'honest']),
  );
  assert.equal(resolveService({ ...web, port: 'http' }, options).host, '10.244.2.9');
});

test("a pod is dialled only inside its node's recorded range", () => {
  const cases: [node: Node, address: string, allowed: boolean][] = [
    [farNode, '10.244.2.7', true],
    [farNode, 'fd00:2::7', true],
    [farNode, '10.244.3.7', false],
    [farNode, '10.0.0.2', false],
    [farNode, '127.64.5.7', false],
    [hostNode, '127.64.5.7', true],
    [hostNode, '127.64.6.7', false],
    [hostNode, '127.0.0.1', false],
    [openNode, '192.168.7.7', true],
    [openNode, '127.64.5.7', false],
    [openNode, '10.0.0.1', false],
    [{ ...farNode, spec: { podCIDRs: ['10.0.0.0/8'] } }, '10.0.0.1', false],
    [{ ...hostNode, spec: { podCIDRs: ['127.0.0.0/8'] } }, '127.0.0.1', false],
    [{ ...hostNode, spec: { podCIDRs: ['127.64.0.0/10'] } }, '127.64.5.7', false],
    [{ ...hostNode, spec: { podCIDRs: ['no range'] } }, '10.244.2.7', false],
  ];
  const { reserved } = optionsOf();
  for (const [node, address, allowed] of cases) {
    const refusal = refusedPodAddress(address, { node, hostNetwork: false, reserved });
    assert.equal(refusal === undefined, allowed, `${node.metadata?.name} ${address}: ${refusal}`);
  }
});

test('addresses that are never a backend are refused whatever range the node recorded', () => {
  const addresses = [
    '0.0.0.0',
    '127.0.0.1',
    '127.1',
    '0177.0.0.1',
    '2130706433',
    '169.254.169.254',
    '169.254.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '100.100.100.200',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:10.244.2.7',
    '::7f00:1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    'fe80::1',
    'fe80::1%eth0',
    'ff02::1',
    'fd00:ec2::254',
    'localhost',
    'metadata.google.internal',
    '',
  ];
  const node: Node = { metadata: { name: 'wide' }, spec: { podCIDRs: ['0.0.0.0/0', '::/0'] } };
  const { reserved } = optionsOf();
  for (const address of addresses) {
    for (const owner of [node, openNode]) {
      assert.notEqual(refusedPodAddress(address, { node: owner, hostNetwork: false, reserved }), undefined, address);
    }
  }
});

test("a pod on the host's network is dialled at an address of its node", () => {
  const host = { spec: { hostNetwork: true } as Pod['spec'] } as Partial<Pod>;
  const ask = (node: string, ip: string) => () =>
    resolvePod({ ...web, port: '', defaultPort: 80 }, optionsOf(...nodes, pod('web', node, [ip], host)));
  assert.equal(ask('n2', '10.0.0.2')().host, '10.0.0.2');
  assert.throws(ask('n2', '10.244.2.7'), { message: 'address not allowed' });
  assert.throws(ask('n1', '127.0.0.1'), { message: 'address not allowed' });
  assert.throws(ask('n1', '127.64.5.7'), { message: 'address not allowed' });
});

test('a pod without an address, without a node, of a node that is gone, or that has ended is not dialled', () => {
  const reference = { ...web, port: '', defaultPort: 80 };
  const ended = { status: { phase: 'Succeeded' } } as Partial<Pod>;
  for (const stored of [
    pod('web', 'n2', []),
    pod('web', '', ['10.244.2.7']),
    pod('web', 'gone', ['10.244.2.7']),
    pod('web', 'n2', ['10.244.2.7'], ended),
  ]) {
    assert.throws(() => resolvePod(reference, optionsOf(...nodes, stored)), {
      reason: 'BadRequest',
      message: 'address not allowed',
    });
  }
  assert.throws(() => resolvePod(reference, optionsOf(...nodes)), { reason: 'NotFound' });
});

test("a pod's port is a number, and by default its first declared one", () => {
  const options = optionsOf(...nodes, pod('web', 'n2', ['10.244.2.7']));
  const portOf = (port: string) => resolvePod({ ...web, port, defaultPort: 80 }, options).port;
  assert.equal(portOf(''), 8080);
  assert.equal(portOf('9'), 9);
  for (const port of ['http', '0', '65536', '-1']) assert.throws(() => portOf(port), { reason: 'ServiceUnavailable' });
});

const nodeOptions = { preferredAddressTypes: ['Hostname', 'InternalIP'], kubeletVerified: true };

test("a node's kubelet may be on loopback because it proves itself; no other port may", async () => {
  const options = { ...optionsOf(...nodes), ...nodeOptions };
  const kubelet = await resolveNode({ name: 'n1', port: '' }, options);
  assert.deepEqual(kubelet, {
    host: '127.0.0.1',
    port: 10250,
    node: 'n1',
    pod: undefined,
    protocolHint: undefined,
    kubelet: true,
  });
  assert.equal((await resolveNode({ name: 'n1', port: '10250' }, options)).kubelet, true);
  const refused = { reason: 'BadRequest', message: 'address not allowed' };
  await assert.rejects(resolveNode({ name: 'n1', port: '2379' }, options), refused);
  await assert.rejects(resolveNode({ name: 'n1', port: '' }, { ...options, kubeletVerified: false }), refused);
});

test('a host name is resolved once, and each of its addresses is judged', async () => {
  const named: Node = {
    metadata: { name: 'n4' },
    status: { addresses: [{ type: 'Hostname', address: 'n4.example' }] },
  };
  const options = { ...optionsOf(['nodes', named]), ...nodeOptions };
  let asked = 0;
  const answers = (addresses: string[]) => ({
    ...options,
    lookupAll: async () => {
      asked++;
      return addresses;
    },
  });
  assert.equal((await resolveNode({ name: 'n4', port: '8080' }, answers(['10.0.0.9', '10.0.0.8']))).host, '10.0.0.9');
  assert.equal(asked, 1);
  for (const port of ['8080', '']) {
    for (const bad of ['169.254.169.254', '::ffff:127.0.0.1', '0.0.0.0']) {
      await assert.rejects(resolveNode({ name: 'n4', port }, answers(['10.0.0.9', bad])), {
        message: 'address not allowed',
      });
    }
  }
  await assert.rejects(resolveNode({ name: 'n4', port: '8080' }, answers(['10.0.0.1'])), {
    message: 'address not allowed',
  });
  await assert.rejects(resolveNode({ name: 'n4', port: '' }, answers([])), /no addresses for hostname/);
});

test('a control plane that listens on all addresses has all addresses of its machine', () => {
  const interfaces = () => new Set(['192.168.1.5', 'fd00::5']);
  const wild = controlPlaneAddresses(() => ['0.0.0.0'], { interfaces });
  assert.deepEqual(['192.168.1.5', 'fd00:0:0::5', '192.168.1.6'].map(wild), [true, true, false]);
  const narrow = controlPlaneAddresses(() => ['192.168.1.7', 'fd00::7'], { interfaces });
  assert.deepEqual(['192.168.1.5', '192.168.1.7', 'FD00:0::7'].map(narrow), [false, true, true]);
});
