import { CommandFailure } from '../command.ts';
import type { Family } from '../service-port.ts';
import type { Nft } from './nft.ts';

export type Probe =
  | { readonly usable: true; readonly families: readonly Family[] }
  | { readonly usable: false; readonly reason: string };

/** Whether kernel rules can be written here, and for which families: asks the kernel to judge a small table with all that is needed. */
export async function probeNftables(nft: Nft): Promise<Probe> {
  const failures: string[] = [];
  const families: Family[] = [];
  for (const family of ['ip', 'ip6'] as const) {
    try {
      await nft.apply(trial(family), { check: true });
      families.push(family);
    } catch (error) {
      if (!(error instanceof CommandFailure)) throw error;
      failures.push(error.message.split('\n')[0] ?? '');
    }
  }
  if (families.length > 0) return { usable: true, families };
  return { usable: false, reason: failures[0] ?? 'nft cannot be used' };
}

function trial(family: Family): string[] {
  const table = `${family} kube-proxy-probe`;
  const [type, address] = family === 'ip' ? ['ipv4_addr', '10.0.0.1'] : ['ipv6_addr', 'fd00::1'];
  return [
    `add table ${table}`,
    `add chain ${table} nat { type nat hook prerouting priority -100 ; }`,
    `add chain ${table} post { type nat hook postrouting priority 100 ; }`,
    `add chain ${table} service`,
    `add rule ${table} service meta l4proto tcp dnat ${family} addr . port to numgen random mod 1 map { 0 : ${address} . 80 }`,
    `add map ${table} services { type ${type} . inet_proto . inet_service : verdict ; }`,
    `add element ${table} services { ${address} . tcp . 80 : goto service }`,
    `add rule ${table} nat ${family} daddr . meta l4proto . th dport vmap @services`,
    `add rule ${table} nat fib daddr type local return`,
    `add rule ${table} post masquerade fully-random`,
  ];
}
