import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PodSpec } from '../../api/kubernetes/core-v1.ts';
import { dnsOf, formatResolvConf } from './pod-dns.ts';

const cluster = ['172.20.0.1'];
const resolver = (spec: Partial<PodSpec>, servers: readonly string[] = cluster) => {
  const dns = dnsOf({ metadata: { namespace: 'shop' }, spec: { containers: [], ...spec } }, servers);
  return dns && formatResolvConf(dns);
};
const clusterText = `nameserver 172.20.0.1
search shop.svc.cluster.local svc.cluster.local cluster.local
options ndots:5
`;

test('a pod asks the cluster’s resolver first, unless it is on the host’s network and does not insist', () => {
  assert.equal(resolver({}), clusterText);
  assert.equal(resolver({ dnsPolicy: 'ClusterFirstWithHostNet', hostNetwork: true }), clusterText);
  assert.equal(resolver({ hostNetwork: true }), undefined);
  assert.equal(resolver({ dnsPolicy: 'Default' }), undefined);
  assert.equal(resolver({}, []), undefined);
});

test('a pod’s own servers, searches and options come on top', () => {
  const dnsConfig = {
    nameservers: ['9.9.9.9', '172.20.0.1'],
    searches: ['example.com'],
    options: [{ name: 'ndots', value: '2' }, { name: 'edns0' }],
  };
  assert.equal(
    resolver({ dnsConfig }),
    `nameserver 172.20.0.1
nameserver 9.9.9.9
search shop.svc.cluster.local svc.cluster.local cluster.local example.com
options ndots:2 edns0
`,
  );
  assert.equal(
    resolver({ dnsPolicy: 'None', dnsConfig }),
    `nameserver 9.9.9.9
nameserver 172.20.0.1
search example.com
options ndots:2 edns0
`,
  );
});
