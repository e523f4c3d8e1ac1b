import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type OptionSpec, OptionValues } from './command.ts';
import { konnectivityAgentOptions } from './konnectivity-agent-flags.ts';
import { parseKonnectivityAgent } from './konnectivity-agent-options.ts';
import { konnectivityServerOptions } from './konnectivity-server-flags.ts';
import { parseKonnectivityServer } from './konnectivity-server-options.ts';

/** The defaults of all flags, and some given. */
function values(specs: readonly OptionSpec[], given: Readonly<Record<string, string>>): OptionValues {
  const camel = (name: string) => name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
  const defaults = specs.map(({ flags, default: value }) => [camel(/--([a-z-]+)/.exec(flags)?.[1] ?? ''), value]);
  return new OptionValues({ ...Object.fromEntries(defaults), ...given });
}

const serverMistakes: readonly (readonly [Readonly<Record<string, string>>, string])[] = [
  [{ proxyStrategies: '' }, 'ProxyStrategies cannot be empty'],
  [{ proxyStrategies: 'x' }, 'invalid proxy strategies: unknown proxy strategy: x'],
  [{ xfrChannelSize: '-10' }, 'channel size -10 must be greater than 0'],
  [{ gracefulShutdownTimeout: '-1s' }, 'graceful-shutdown-timeout must be >= 0, got -1s'],
  [{ backendDialTimeout: '-1s' }, 'backend-dial-timeout must be >= 0, got -1s'],
  [{ agentPort: '1023' }, 'please do not try to use reserved port 1023 for the agent port'],
  [{ leaseLabel: '' }, 'invalid lease label "": expected key=value,key=value'],
  [{ leaseLabel: 'a=b,c' }, 'invalid lease label "a=b,c": expected key=value,key=value'],
  [{ kubeconfig: '/nowhere' }, 'error checking kubeconfig path /nowhere'],
  [
    { enableContentionProfiling: 'true' },
    'if --enable-contention-profiling is set, --enable-profiling must also be set',
  ],
  [{ peerServers: 'a:1' }, '--peer-servers needs --cluster-ca-cert'],
  [{ peerServers: 'a:b:c', clusterCaCert: 'ca' }, '--peer-servers: expected host or host:port, got "a:b:c"'],
  [{ peerCert: 'cert' }, 'peer-cert and peer-key must be set together'],
  [
    { enableLeaseController: 'true', agentAdvertiseAddress: 'a b' },
    '--agent-advertise-address: expected host or host:port, got "a b"',
  ],
  [{ clusterCert: '' }, '--cluster-cert and --cluster-key are required'],
  [{ healthPort: '1023' }, 'please do not try to use reserved port 1023 for the health port'],
  [{ adminPort: '49152' }, 'please do not try to use ephemeral port 49152 for the admin port'],
  [{ serverPort: '1' }, 'please do not try to use reserved port 1 for the server port'],
  [{ serverCaCert: '' }, 'server ca cert must be set when in TCP mode (uds-name is empty)'],
  [{ mode: 'x' }, "mode must be set to either 'grpc' or 'http-connect' not \"x\""],
  [{ udsName: '/x', serverPort: '8090' }, 'UDS: server port must be 0 when using a unix domain socket'],
  [{ agentPort: '49152' }, 'please do not try to use ephemeral port 49152 for the agent port'],
];

const files = { clusterCert: 'cert', clusterKey: 'key', serverCert: 'cert', serverKey: 'key', serverCaCert: 'ca' };

test('mistakes in the server’s flags are told in upstream’s words', () => {
  for (const [given, message] of serverMistakes) {
    const options = values(konnectivityServerOptions, { ...files, ...given });
    assert.throws(() => parseKonnectivityServer(options), { name: 'ConfigError', message });
  }
});

const agentMistakes: readonly (readonly [Readonly<Record<string, string>>, string])[] = [
  [{ serverCountSource: 'x' }, "--server-count-source must be one of '', 'default', 'max', got x"],
  [{ proxyServerPort: '0' }, 'proxy server port 0 must be greater than 0'],
  [{ healthServerPort: '-1' }, 'health server port -1 must be greater than 0'],
  [{ adminServerPort: '0' }, 'admin server port 0 must be greater than 0'],
  [{ syncInterval: '20s' }, 'sync interval must be less than or equal to sync interval cap'],
  [{ agentCert: 'cert' }, 'agent-cert and agent-key must be set together'],
  [{ caCert: '' }, '--ca-cert is required'],
  [{ countServerLeases: 'true', leaseLabelSelector: 'a in (b' }, '--lease-label-selector: cannot parse "a in (b"'],
  [{ proxyServerHost: 'a b' }, '--proxy-server-host: expected host or host:port, got "a b"'],
  [{ serviceAccountTokenPath: '/nowhere' }, 'error checking service account token path /nowhere'],
  [{ xfrChannelSize: '0' }, 'channel size 0 must be greater than 0'],
];

test('mistakes in the agent’s flags are told in upstream’s words', () => {
  for (const [given, message] of agentMistakes) {
    const options = values(konnectivityAgentOptions, { caCert: '/dev/null', ...given });
    assert.throws(() => parseKonnectivityAgent(options), { name: 'ConfigError', message });
  }
});

test('the server’s flags for leases, peers and queues come out as they are meant', () => {
  const given = {
    ...files,
    clusterCaCert: 'ca',
    enableLeaseController: 'true',
    leaseNamespace: 'konnectivity',
    leaseLabel: 'a=b,c=d',
    agentAdvertiseAddress: '10.0.0.1',
    agentPort: '9000',
    peerNames: 'one,two',
    keepaliveTime: '1h',
    xfrChannelSize: '1000',
    kubeconfigQps: '7.5',
    enableProfiling: 'true',
  };
  const parsed = parseKonnectivityServer(values(konnectivityServerOptions, given));
  assert.deepEqual(parsed.lease, {
    namespace: 'konnectivity',
    labels: { a: 'b', c: 'd' },
    agentAddress: '10.0.0.1:9000',
  });
  assert.deepEqual(parsed.peers, { servers: undefined, names: ['one', 'two'], files: undefined });
  assert.deepEqual(parsed.config.queues, { connectionBytes: 32_768_000, totalBytes: 268_435_456 });
  assert.deepEqual(parsed.api.limit, { qps: 7.5, burst: 10 });
  assert.equal(parsed.config.keepaliveMs, 30_000);
  assert.equal(parsed.profiling, true);
});

test('the agent’s flags for servers and leases come out as they are meant', () => {
  const parse = (given: Readonly<Record<string, string>>) =>
    parseKonnectivityAgent(values(konnectivityAgentOptions, { caCert: 'ca', ...given }));
  assert.deepEqual(parse({}).servers, [{ host: '127.0.0.1', port: 8091 }]);
  assert.equal(parse({}).leases, undefined);
  const listed = parse({ proxyServerHost: 'a,b:9000,[fd00::1]:1,fd00::2', proxyServerPort: '7000' });
  assert.deepEqual(listed.servers, [
    { host: 'a', port: 7000 },
    { host: 'b', port: 9000 },
    { host: 'fd00::1', port: 1 },
    { host: 'fd00::2', port: 7000 },
  ]);
  const counted = parse({ countServerLeases: 'true', leaseLabelSelector: '', serverCountSource: 'max' });
  assert.deepEqual(counted.leases, { namespace: 'kube-system', selector: '' });
  assert.equal(counted.countSource, 'max');
  assert.equal(parse({ countServerLeases: 'true', leaseLabel: 'x=y' }).leases?.selector, 'x=y');
});
