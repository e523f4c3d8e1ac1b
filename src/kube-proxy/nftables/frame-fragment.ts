import type { KubeProxyConfig } from '../kube-proxy-config.ts';
import type { ProxyState } from '../proxy-state.ts';
import { type Family, familyOf } from '../service-port.ts';
import { type Fragment, FragmentBuilder } from './fragment.ts';
import { cidrsOf, isForeignSource } from './match.ts';
import { names } from './names.ts';

type FrameConfig = Pick<KubeProxyConfig, 'localDetector' | 'masqueradeAll' | 'masqueradeBit' | 'nodePortAddresses'>;

/** What every Service hangs on: hooks, sets, maps and the chains between them. Layout and names are upstream's. */
export function frameFragment(family: Family, config: FrameConfig, state: ProxyState): Fragment {
  const to = new FragmentBuilder(family);
  addContainers(to);
  addHooks(to);
  const bit = 2 ** (config.masqueradeBit ?? 14);
  const mark = `0x${bit.toString(16)}`;
  to.chain(names.reject, ['reject']);
  to.chain(names.markForMasquerade, [`meta mark set meta mark or ${mark}`]);
  to.chain(names.masquerading, [
    // An endpoint that was sent to itself: without this it would see its own address and answer past us.
    `ct status dnat ${family} saddr . ${family} daddr . meta l4proto . th dport @${names.hairpin} masquerade fully-random`,
    `meta mark and ${mark} == 0 return`,
    `meta mark set meta mark xor ${mark}`,
    'masquerade fully-random',
  ]);
  const port = 'meta l4proto . th dport';
  const destination = `${family} daddr . ${port}`;
  const nodePorts = nodePortMatches(family, config, state);
  to.chain(names.services, [
    ...masqueradeRules(family, config),
    `${destination} vmap @${names.serviceIps}`,
    ...nodePorts.map((match) => `${match} ${port} vmap @${names.serviceNodePorts}`),
  ]);
  to.chain(names.firewallCheck, [`${destination} vmap @${names.firewallIps}`]);
  to.chain(names.serviceEndpointsCheck, [`${destination} vmap @${names.noEndpointServices}`]);
  to.chain(
    names.nodePortEndpointsCheck,
    nodePorts.map((match) => `${match} ${port} vmap @${names.noEndpointNodePorts}`),
  );
  to.chain(names.clusterIpsCheck, [
    `${family} daddr @${names.clusterIps} reject`,
    ...cidrsOf(family, state.serviceCidrs).map((cidr) => `${family} daddr ${cidr} drop`),
  ]);
  if (!listsNodePortAddresses(config)) return to.build();
  for (const address of state.nodeAddresses) {
    if (familyOf(address) === family) to.element(names.nodePortIps, address);
  }
  return to.build();
}

function addContainers(to: FragmentBuilder): void {
  const address = to.family === 'ip' ? 'ipv4_addr' : 'ipv6_addr';
  const destination = `${address} . inet_proto . inet_service`;
  to.container('set', names.clusterIps, `type ${address}`);
  to.container('set', names.nodePortIps, `type ${address}`);
  to.container('set', names.hairpin, `type ${address} . ${destination}`);
  for (const map of [names.serviceIps, names.noEndpointServices, names.firewallIps]) {
    to.container('map', map, `type ${destination} : verdict`);
  }
  for (const map of [names.serviceNodePorts, names.noEndpointNodePorts]) {
    to.container('map', map, 'type inet_proto . inet_service : verdict');
  }
}

function addHooks(to: FragmentBuilder): void {
  const first = (...chains: string[]) => chains.map((chain) => `ct state new jump ${chain}`);
  const hook = (type: 'nat' | 'filter', name: string, priority: number) =>
    `type ${type} hook ${name} priority ${priority}`;
  to.baseChain('filter-prerouting-pre-dnat', hook('filter', 'prerouting', -110), first(names.firewallCheck));
  to.baseChain('filter-output-pre-dnat', hook('filter', 'output', -110), first(names.firewallCheck));
  const input = first(names.nodePortEndpointsCheck, names.serviceEndpointsCheck);
  to.baseChain('filter-input', hook('filter', 'input', 0), input);
  const onward = first(names.serviceEndpointsCheck, names.clusterIpsCheck);
  to.baseChain('filter-forward', hook('filter', 'forward', 0), onward);
  to.baseChain('filter-output', hook('filter', 'output', 0), onward);
  to.baseChain('nat-prerouting', hook('nat', 'prerouting', -100), [`jump ${names.services}`]);
  to.baseChain('nat-output', hook('nat', 'output', -100), [`jump ${names.services}`]);
  to.baseChain('nat-postrouting', hook('nat', 'postrouting', 100), [`jump ${names.masquerading}`]);
}

function masqueradeRules(family: Family, { masqueradeAll, localDetector }: FrameConfig): string[] {
  const toCluster = `${family} daddr @${names.clusterIps}`;
  if (masqueradeAll) return [`${toCluster} jump ${names.markForMasquerade}`];
  const foreign = isForeignSource(family, localDetector ?? { kind: 'none' });
  return foreign === undefined ? [] : [`${toCluster} ${foreign} jump ${names.markForMasquerade}`];
}

function listsNodePortAddresses({ nodePortAddresses = 'primary' }: FrameConfig): boolean {
  return nodePortAddresses === 'primary' || nodePortAddresses.length === 0;
}

/** Node ports never answer on loopback addresses: who asks there would have to be masqueraded through a route that must not be. */
function nodePortMatches(family: Family, config: FrameConfig, state: ProxyState): string[] {
  const { nodePortAddresses } = config;
  if (listsNodePortAddresses(config) || nodePortAddresses === undefined || nodePortAddresses === 'primary') {
    const any = state.nodeAddresses.some((address) => familyOf(address) === family);
    return any ? [`${family} daddr @${names.nodePortIps}`] : [];
  }
  const loopback = family === 'ip' ? '127.0.0.0/8' : '::1';
  return cidrsOf(family, nodePortAddresses).map((cidr) => {
    const within = /\/0$/.test(cidr) ? '' : `${family} daddr ${cidr} `;
    return `${within}fib daddr type local ${family} daddr != ${loopback}`;
  });
}
