import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseEndpoints } from './choose-endpoints.ts';
import type { Endpoint } from './endpoint.ts';
import { sampleEndpoint, samplePort } from './sample-ports.ts';
import type { ServicePort } from './service-port.ts';

const ending = { ready: false, serving: true, terminating: true };
const away = { ready: false, serving: false };
const here = { local: true, elsewhere: false };
const location = { nodeName: 'n1', zone: 'z1' };

function chosen(endpoints: Endpoint[], port: Partial<ServicePort> = {}) {
  const { cluster, local, hasAny } = chooseEndpoints(endpoints, samplePort(port), location);
  const names = (all: readonly Endpoint[]) => all.map(({ address }) => address).join(' ');
  return [names(cluster), names(local), hasAny];
}

const cases: readonly [string, Endpoint[], Partial<ServicePort>, (string | boolean)[]][] = [
  ['only ready ones serve', [sampleEndpoint('a'), sampleEndpoint('b', away)], {}, ['a', '', true]],
  [
    'those that end serve when nobody else does',
    [sampleEndpoint('a', ending), sampleEndpoint('b', away)],
    {},
    ['a', '', true],
  ],
  [
    'those that end do not serve beside ready ones',
    [sampleEndpoint('a', ending), sampleEndpoint('b')],
    {},
    ['b', '', true],
  ],
  ['nobody', [sampleEndpoint('a', away)], {}, ['', '', false]],
  ['inside Local', [sampleEndpoint('a', here), sampleEndpoint('b')], { internalLocal: true }, ['', 'a', true]],
  ['inside Local without one here', [sampleEndpoint('b')], { internalLocal: true }, ['', '', true]],
  [
    'outside Local counts only where somebody can come from outside',
    [sampleEndpoint('a', here)],
    { externalLocal: true },
    ['a', '', true],
  ],
  [
    'outside Local with a node port',
    [sampleEndpoint('a', here), sampleEndpoint('b')],
    { externalLocal: true, nodePort: 30000 },
    ['a b', 'a', true],
  ],
  [
    'outside Local: here one ends, elsewhere one is ready',
    [sampleEndpoint('a', { ...here, ...ending }), sampleEndpoint('b')],
    { externalLocal: true, nodePort: 30000 },
    ['b', 'a', true],
  ],
  [
    'hints for this zone',
    [sampleEndpoint('a', { forZones: ['z1'] }), sampleEndpoint('b', { forZones: ['z2'] })],
    {},
    ['a', '', true],
  ],
  ['hints that one lacks', [sampleEndpoint('a', { forZones: ['z1'] }), sampleEndpoint('b')], {}, ['a b', '', true]],
  ['hints for other zones only', [sampleEndpoint('a', { forZones: ['z2'] })], {}, ['a', '', true]],
  [
    'hints for this node before those for its zone',
    [
      sampleEndpoint('a', { forNodes: ['n1'], forZones: ['z1'] }),
      sampleEndpoint('b', { forNodes: ['n2'], forZones: ['z1'] }),
    ],
    {},
    ['a', '', true],
  ],
];

for (const [name, endpoints, port, expected] of cases) {
  test(`endpoints are chosen: ${name}`, () => assert.deepEqual(chosen(endpoints, port), expected));
}
