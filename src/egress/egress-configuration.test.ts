import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEgressConfiguration } from './egress-configuration.ts';

const parse = (text: string) => parseEgressConfiguration(text, { exists: (path) => !path.startsWith('/missing') });

function selections(yaml: string, version = 'v1beta1'): string {
  return `apiVersion: apiserver.k8s.io/${version}\nkind: EgressSelectorConfiguration\negressSelections:\n${yaml}`;
}

const tls = 'clientCert: /c.crt, clientKey: /c.key';

test('each protocol and transport is read, in both versions', () => {
  const text = `
- name: Cluster
  connection: { proxyProtocol: GRPC, transport: { uds: { udsName: /k.sock } } }
- name: master
  connection:
    proxyProtocol: HTTPConnect
    transport: { tcp: { url: 'https://[::1]:8131/x', tlsConfig: { caBundle: /ca.crt, ${tls}, tlsServerName: konnectivity } } }
- name: etcd
  connection: { proxyProtocol: Direct }
`;
  for (const version of ['v1beta1', 'v1alpha1']) {
    assert.deepEqual(Object.fromEntries(parse(selections(text, version))), {
      cluster: { protocol: 'GRPC', path: '/k.sock' },
      controlplane: {
        protocol: 'HTTPConnect',
        proxy: {
          host: '::1',
          port: 8131,
          caBundle: '/ca.crt',
          clientCert: '/c.crt',
          clientKey: '/c.key',
          serverName: 'konnectivity',
        },
      },
      etcd: { protocol: 'Direct' },
    });
  }
});

test('a proxy on TCP is verified by its address unless a name is given, with the system roots unless a CA is', () => {
  const text = `- { name: cluster, connection: { proxyProtocol: HTTPConnect, transport: { tcp: { url: 'https://proxy.example', tlsConfig: { ${tls} } } } } }`;
  assert.deepEqual(parse(selections(text)).get('cluster'), {
    protocol: 'HTTPConnect',
    proxy: {
      host: 'proxy.example',
      port: 443,
      caBundle: undefined,
      clientCert: '/c.crt',
      clientKey: '/c.key',
      serverName: 'proxy.example',
    },
  });
});

const one = (connection: string) => selections(`- { name: cluster, connection: { ${connection} } }`);
const tcp = (text: string) => one(`proxyProtocol: HTTPConnect, transport: { tcp: { ${text} } }`);

const refusals: readonly (readonly [text: string, message: RegExp])[] = [
  ['', /invalid service configuration object ""/],
  ['kind: Pod', /invalid service configuration object "Pod"/],
  ['[]', /invalid service configuration object ""/],
  ['kind: EgressSelectorConfiguration\napiVersion: apiserver.k8s.io/v1', /expected apiserver\.k8s\.io\/v1beta1/],
  ['a: [', /not YAML/],
  ['kind: EgressSelectorConfiguration\nkind: EgressSelectorConfiguration', /not YAML: .*duplicated/],
  [
    selections('- { name: cluster, connection: { proxyProtocol: Direct }, extra: 1 }'),
    /strict decoding error: unknown field "egressSelections\[0\]\.extra"/,
  ],
  [
    one('proxyProtocol: GRPC, transport: { uds: { udsname: /x } }'),
    /unknown field "egressSelections\[0\]\.connection\.transport\.uds\.udsname"/,
  ],
  [one('proxyProtocol: 7'), /egressSelections\[0\]\.connection\.proxyProtocol: expected a string/],
  [
    one('proxyProtocol: SOCKS'),
    /^service\.connection\.protocol: Unsupported value: "SOCKS": supported values: "Direct", "HTTPConnect", "GRPC"$/,
  ],
  [
    one('proxyProtocol: Direct, transport: {}'),
    /^service\.connection\.transport: Invalid value: "direct": Transport config should be absent for direct connect$/,
  ],
  [one('proxyProtocol: GRPC'), /^service\.connection\.transport: Required value: transport must be set for GRPC$/],
  [
    one('proxyProtocol: GRPC, transport: { tcp: { url: "https://x" } }'),
    /^service\.connection\.uds: Required value: UDS must be set with GRPC$/,
  ],
  [one('proxyProtocol: GRPC, transport: { uds: {} }'), /UDSName should be present for UDS connections$/],
  [one('proxyProtocol: HTTPConnect'), /transport must be set for HTTPConnect$/],
  [
    one('proxyProtocol: HTTPConnect, transport: {}'),
    /^service\.connection\.tcp: Required value: One of TCP or UDS must be set$/,
  ],
  [
    one('proxyProtocol: HTTPConnect, transport: { uds: { udsName: /x }, tcp: { url: "https://x" } }'),
    /TCP and UDS cannot both be set$/,
  ],
  [
    tcp('url: "ftp://x"'),
    /^service\.connection\.url: Invalid value: "ftp:\/\/x": supported connection protocols are http:\/\/ and https:\/\/$/,
  ],
  [tcp('url: "http://x"'), /must be verified: use https:\/\/$/],
  [tcp('url: "http://x", tlsConfig: {}'), /TLSConfig config should not be present when using HTTP$/],
  [tcp('url: "https://x"'), /TLSConfig must be present when using HTTPS$/],
  [tcp('url: "https://x", tlsConfig: {}'), /Using TLS requires clientCert; .*Using TLS requires clientKey$/],
  [
    tcp(`url: "https://x", tlsConfig: { ${tls}, caBundle: /missing/ca }`),
    /^service\.connection\.tlsConfig\.caBundle: Invalid value: "\/missing\/ca": TLS config ca bundle does not exist$/,
  ],
  [
    tcp('url: "https://x", tlsConfig: { clientCert: /missing/c, clientKey: /missing/k }'),
    /TLS client cert does not exist; .*TLS client key does not exist$/,
  ],
  [
    selections('- { name: node, connection: { proxyProtocol: Direct } }'),
    /Unsupported value: "node": supported values: "cluster", "controlplane", "etcd"$/,
  ],
  [
    selections(
      '- { name: etcd, connection: { proxyProtocol: Direct } }\n- { name: ETCD, connection: { proxyProtocol: Direct } }',
    ),
    /^service\.connection\[1\]: Duplicate value: "etcd"$/,
  ],
  [
    selections(
      '- { name: master, connection: { proxyProtocol: Direct } }\n- { name: controlplane, connection: { proxyProtocol: Direct } }',
    ),
    /Duplicate value: "controlplane"$/,
  ],
];

for (const [text, message] of refusals) {
  test(`refused: ${JSON.stringify(text.replace(/^apiVersion.*\n.*\n.*\n/, ''))}`, () => {
    assert.throws(
      () => parse(text),
      (error: Error) => {
        assert.equal(error.name, 'ConfigError');
        assert.match(error.message, message);
        return true;
      },
    );
  });
}
