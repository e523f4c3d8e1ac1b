import type { Endpoint } from '../endpoint.ts';
import type { PortState } from '../proxy-state.ts';
import { type Family, isExternallyReachable, type ServicePort } from '../service-port.ts';
import { type Fragment, FragmentBuilder } from './fragment.ts';
import { isLocalSource, type MatchOptions } from './match.ts';
import { affinitySet, endpointChain, names, portChain } from './names.ts';

/** All rules of one Service in one family. */
export function serviceFragment(family: Family, ports: readonly PortState[], options: MatchOptions): Fragment {
  const builder = new FragmentBuilder(family);
  for (const state of ports) if (state.port.family === family) addPort(builder, state, options);
  return builder.build();
}

function addPort(to: FragmentBuilder, state: PortState, options: MatchOptions): void {
  const { port, cluster, local } = state;
  const { clusterIp, externalLocal, internalLocal } = port;
  to.element(names.clusterIps, clusterIp);

  const internal = internalLocal ? local : cluster;
  const destination = (address: string) => `${address} . ${port.protocol} . ${port.port}`;
  if (internal.length > 0) {
    const chain = portChain(internalLocal ? 'local' : 'service', port);
    to.element(names.serviceIps, destination(clusterIp), `goto ${chain}`);
  } else to.element(names.noEndpointServices, destination(clusterIp), refusal(state));

  if (isExternallyReachable(port)) {
    const external = externalLocal ? local : cluster;
    // Without an endpoint here, those inside of the cluster are still sent to the others: the chain tells them apart.
    const captured = external.length > 0 || cluster.length > 0;
    const chain = `goto ${portChain('external', port)}`;
    for (const address of [...port.externalIps, ...port.loadBalancerIps]) {
      if (captured) to.element(names.serviceIps, destination(address), chain);
      if (external.length === 0) to.element(names.noEndpointServices, destination(address), refusal(state));
    }
    if (port.nodePort > 0) {
      const key = `${port.protocol} . ${port.nodePort}`;
      if (captured) to.element(names.serviceNodePorts, key, chain);
      if (external.length === 0) to.element(names.noEndpointNodePorts, key, refusal(state));
    }
    if (captured) addExternalChain(to, state, options);
    addFirewall(to, port, destination);
  }

  if (cluster.length > 0) to.chain(portChain('service', port), balance(to.family, port, cluster));
  if (local.length > 0) to.chain(portChain('local', port), balance(to.family, port, local));
  if (port.affinitySeconds !== undefined) addAffinity(to, port, [...new Set([...cluster, ...local])]);
  for (const endpoint of [...cluster, ...local]) {
    // Only an endpoint of this node can be sent back its own packets by this node.
    if (endpoint.elsewhere) continue;
    const { address } = endpoint;
    to.element(names.hairpin, `${address} . ${address} . ${port.protocol} . ${endpoint.port}`);
  }
}

/** With nobody to serve anywhere clients are refused; with nobody here they are dropped, since a balancer may send them elsewhere. */
function refusal({ hasAny }: PortState): string {
  return hasAny ? 'drop' : `goto ${names.reject}`;
}

function addExternalChain(to: FragmentBuilder, { port, cluster, local }: PortState, options: MatchOptions): void {
  const chain = portChain('external', port);
  const mark = `jump ${names.markForMasquerade}`;
  if (!port.externalLocal) {
    to.chain(chain, [mark, `goto ${portChain('service', port)}`]);
    return;
  }
  const rules: string[] = [];
  if (cluster.length > 0) {
    // Pods and this host are inside of the cluster: for them any endpoint is as good as a local one.
    const service = portChain('service', port);
    for (const match of isLocalSource(to.family, options.localDetector)) rules.push(`${match} goto ${service}`);
    rules.push(`fib saddr type local ${mark}`, `fib saddr type local goto ${service}`);
  }
  if (local.length > 0) rules.push(`goto ${portChain('local', port)}`);
  to.chain(chain, rules);
}

function addFirewall(to: FragmentBuilder, port: ServicePort, destination: (address: string) => string): void {
  if (!port.loadBalancerSources || port.loadBalancerIps.length === 0) return;
  const chain = portChain('firewall', port);
  const allowed = port.loadBalancerSources.map((range) => `${to.family} saddr ${range} return`);
  to.chain(chain, [...allowed, 'drop']);
  for (const address of port.loadBalancerIps) {
    to.element(names.firewallIps, destination(address), `goto ${chain}`);
  }
}

/** Sends each new connection to one of the endpoints, all alike likely. */
function balance(family: Family, port: ServicePort, endpoints: readonly Endpoint[]): string[] {
  const choose = `numgen random mod ${endpoints.length}`;
  if (port.affinitySeconds === undefined) {
    const targets = endpoints.map(({ address, port: to }, index) => `${index} : ${address} . ${to}`);
    return [`meta l4proto ${port.protocol} dnat ${family} addr . port to ${choose} map { ${targets.join(' , ')} }`];
  }
  const stay = endpoints.map((endpoint) => {
    return `${family} saddr @${affinitySet(port, endpoint)} goto ${endpointChain(port, endpoint)}`;
  });
  const targets = endpoints.map((endpoint, index) => `${index} : goto ${endpointChain(port, endpoint)}`);
  return [...stay, `${choose} vmap { ${targets.join(' , ')} }`];
}

/** The time is in the rule, not in the set: so it can change while clients keep their endpoints. */
function addAffinity(to: FragmentBuilder, port: ServicePort, endpoints: readonly Endpoint[]): void {
  const { family } = to;
  const type = family === 'ip' ? 'ipv4_addr' : 'ipv6_addr';
  for (const endpoint of endpoints) {
    const set = affinitySet(port, endpoint);
    const target = family === 'ip' ? endpoint.address : `[${endpoint.address}]`;
    to.container('set', set, `type ${type} ; flags dynamic,timeout`);
    to.chain(endpointChain(port, endpoint), [
      `update @${set} { ${family} saddr timeout ${port.affinitySeconds}s }`,
      `meta l4proto ${port.protocol} dnat to ${target}:${endpoint.port}`,
    ]);
  }
}
