import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { OptionValues } from './command.ts';
import { listenAddressOf, parseKubeProxy } from './kube-proxy-configuration.ts';

function parse(values: Record<string, unknown>) {
  return parseKubeProxy(new OptionValues(values));
}

function parseFile(text: string, more: Record<string, unknown> = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'fairlead-proxy-'));
  try {
    const config = join(directory, 'config.conf');
    writeFileSync(config, text);
    return parse({ config, ...more });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const head = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n';

test('without flags the addresses are upstream’s and the mode is chosen by what the machine allows', () => {
  const { config, kubeconfig, oomScoreAdj } = parse({ hostnameOverride: 'Node-1' });
  assert.deepEqual(config, {
    nodeName: 'node-1',
    masqueradeBit: 14,
    nodePortAddresses: 'primary',
    healthz: { host: '0.0.0.0', port: 10256 },
    metricsAddress: { host: '127.0.0.1', port: 10249 },
  });
  assert.equal(kubeconfig, undefined);
  assert.equal(oomScoreAdj, -999);
});

test('the file that kubeadm writes is understood', () => {
  const { config, kubeconfig, warnings } = parseFile(
    `${head}clientConnection:
  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
clusterCIDR: 10.244.0.0/16,fd00:244::/64
mode: iptables
nodePortAddresses: null
healthzBindAddress: ""
metricsBindAddress: 127.0.0.1:0
iptables: {masqueradeAll: true, masqueradeBit: 15, minSyncPeriod: 0s, syncPeriod: 1m0s}
`,
    { hostnameOverride: 'n' },
  );
  assert.deepEqual(config, {
    nodeName: 'n',
    localDetector: { kind: 'cidrs', cidrs: ['10.244.0.0/16', 'fd00:244::/64'] },
    mode: 'nftables',
    masqueradeAll: true,
    masqueradeBit: 15,
    nodePortAddresses: 'primary',
    syncIntervalMs: 60_000,
    metricsAddress: { host: '127.0.0.1', port: 0 },
  });
  assert.equal(kubeconfig, '/var/lib/kube-proxy/kubeconfig.conf');
  assert.deepEqual(warnings, ['Proxy mode iptables is served by nftables rules']);
});

test('what cannot work is refused with the field’s name', () => {
  const refused: readonly [Record<string, unknown>, RegExp][] = [
    [{ proxyMode: 'kernelspace' }, /^proxy mode: .*"kernelspace"/],
    [{ clusterCidr: '10.244.0.0' }, /^clusterCIDR: .*"10\.244\.0\.0"/],
    [{ nodeportAddresses: ['10.0.0.0/8', 'x; drop'] }, /^nodePortAddresses: /],
    [{ healthzBindAddress: 'localhost:1' }, /^healthzBindAddress: /],
    [{ detectLocalMode: 'BridgeInterface' }, /^detectLocal\.bridgeInterface: /],
    [
      { detectLocalMode: 'InterfaceNamePrefix', podInterfaceNamePrefix: 'a" drop' },
      /^detectLocal\.interfaceNamePrefix: /,
    ],
    [{ iptablesSyncPeriod: 'often' }, /^syncPeriod: .*"often"/],
    [{ master: 'http://localhost:8080' }, /^--master is not supported/],
    [{ config: '/nonexistent' }, /^--config: cannot read/],
  ];
  for (const [values, message] of refused) assert.throws(() => parse(values), { name: 'ConfigError', message });
  assert.throws(() => parseFile('kind: Other\n'), {
    name: 'ConfigError',
    message: /expected kind KubeProxyConfiguration/,
  });
});

test('listen addresses are read as upstream reads them', () => {
  const read = (text: string) => listenAddressOf('healthzBindAddress', text, 10256);
  assert.deepEqual(read('10.0.0.1'), { host: '10.0.0.1', port: 10256 });
  assert.deepEqual(read('[::1]:80'), { host: '::1', port: 80 });
  assert.deepEqual(read(':80'), { host: '', port: 80 });
  assert.equal(read(''), undefined);
});
