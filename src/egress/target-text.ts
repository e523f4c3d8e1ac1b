import type { DialRoute, DialTarget } from '../stream/dial.ts';

/** `host:port`, with brackets around an IPv6 address. */
export function authorityOf({ host, port }: Pick<DialTarget, 'host' | 'port'>): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** How a dial is called in error messages: `dial tcp 10.0.0.7:10250 (node n1)`. */
export function hopOf(target: DialTarget): string {
  return `dial tcp ${authorityOf(target)}${target.node ? ` (node ${target.node})` : ''}`;
}

const ways: Readonly<Record<DialRoute['kind'], readonly [way: string, passer: string]>> = {
  direct: ['directly', ''],
  tunnel: ['by the tunnel', 'agent '],
  ssh: ['by SSH', 'server '],
  'egress-selector': ['by the egress selector', ''],
};

/** How a route is called behind the hop: `by the tunnel (agent n1)`. */
export function wayOf({ kind, via }: DialRoute): string {
  const [way, passer] = ways[kind];
  return via ? `${way} (${passer}${via})` : way;
}
