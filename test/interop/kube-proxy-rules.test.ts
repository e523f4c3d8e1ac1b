import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LocalDetector } from '../../src/kube-proxy/kube-proxy-config.ts';
import { Nft } from '../../src/kube-proxy/nftables/nft.ts';
import { NftablesProxier } from '../../src/kube-proxy/nftables/nftables-proxier.ts';
import type { PortState, ProxyState } from '../../src/kube-proxy/proxy-state.ts';
import { sampleEndpoint, samplePort, samplePortState } from '../../src/kube-proxy/sample-ports.ts';
import type { Family } from '../../src/kube-proxy/service-port.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { createNetworkBed, missingBed } from './kube-proxy/network-bed.ts';

const families = ['ip', 'ip6'] as const;
const addresses = {
  ip: {
    vip: '10.96.0.7',
    external: '192.0.2.1',
    balancer: '192.0.2.2',
    from: '198.51.100.0/24',
    ends: ['10.1.0.1', '10.1.0.2'],
  },
  ip6: {
    vip: 'fd00::7',
    external: '2001:db8::1',
    balancer: '2001:db8::2',
    from: '2001:db8:1::/64',
    ends: ['fd00:1::1', 'fd00:1::2'],
  },
};

/** A Service that uses all that there is, in one family. */
function everything(family: Family, name: string, ends: readonly string[]): PortState[] {
  const { vip, external, balancer, from } = addresses[family];
  const endpoints = ends.map((address) => sampleEndpoint(address, { elsewhere: false }));
  return (['tcp', 'udp', 'sctp'] as const).flatMap((protocol, index) => {
    const port = samplePort({
      name,
      family,
      protocol,
      portName: `p-${protocol}`,
      clusterIp: vip,
      port: 80 + index,
      nodePort: 30_000 + index,
      externalIps: [external],
      loadBalancerIps: [balancer],
      loadBalancerSources: [from, from],
      externalLocal: index === 1,
      ...(index > 0 && { affinitySeconds: 60 * index }),
    });
    return [{ ...samplePortState(port, endpoints), local: index === 1 ? endpoints.slice(0, 1) : [] }];
  });
}

class State implements ProxyState {
  readonly services = new Map<string, PortState[]>();
  readonly nodeAddresses = ['192.168.77.1', 'fd00:77::1'];
  readonly serviceCidrs = ['10.96.0.0/12', 'fd00::/108'];

  serviceKeys() {
    return this.services.keys();
  }

  portsOf(key: string) {
    return this.services.get(key) ?? [];
  }
}

const detectors: readonly LocalDetector[] = [
  { kind: 'cidrs', cidrs: ['10.244.0.0/16', '10.245.0.0/16', 'fd00:244::/64'] },
  { kind: 'interface', name: 'cni0' },
  { kind: 'interface-prefix', prefix: 'veth' },
];

for (const localDetector of detectors) {
  test(`the kernel takes every kind of rule and every change, pods told by ${localDetector.kind}`, {
    skip: missingBed('root'),
    timeout: 60_000,
  }, async () => {
    await using bed = await createNetworkBed('root');
    let nowMs = 0;
    const nodePortAddresses = localDetector.kind === 'cidrs' ? 'primary' : ['0.0.0.0/0', '::/0', '192.168.0.0/16'];
    const proxier = new NftablesProxier({
      config: { nodeName: 'n', localDetector, nodePortAddresses, commandPrefix: bed.prefix },
      nft: new Nft(bed.prefix),
      families,
      log: silentLogger,
      clock: { ...systemClock, now: () => nowMs },
    });
    const state = new State();
    const fill = (count: number) => {
      for (const family of families) {
        const all = everything(family, `all-${family}`, addresses[family].ends.slice(0, count));
        state.services.set(`default/all-${family}`, all);
      }
    };
    const changed = new Set(families.map((family) => `default/all-${family}`));
    for (const count of [2, 1, 0, 2]) {
      fill(count);
      await proxier.sync(state, changed);
      nowMs += 600; // Emptied chains are swept in some of the rounds.
    }
    assert.equal(await proxier.isIntact(), true);
    const full = bed.run('nft', 'list', 'ruleset');
    await proxier.sync(state, 'anew');
    assert.equal(sorted(bed.run('nft', 'list', 'ruleset')), sorted(full), 'changes lead to what a new start leads to');
    state.services.clear();
    await proxier.sync(state, 'all');
    nowMs += 2_000;
    await proxier.sync(state, new Set());
    assert.doesNotMatch(bed.run('nft', 'list', 'ruleset'), /default.all-ip/);
  });
}

/** Order of chains and elements is history, which differs. */
function sorted(ruleset: string): string {
  const blocks = ruleset.split(/\n\n|\n\}/).map((block) =>
    block.replace(/elements = \{([^}]*)\}/g, (_, list: string) => {
      return list
        .split(',')
        .map((element) => element.trim())
        .sort()
        .join('\n');
    }),
  );
  return blocks
    .map((block) => block.trim())
    .sort()
    .join('\n');
}
