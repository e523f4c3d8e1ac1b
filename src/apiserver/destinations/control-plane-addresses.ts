import { isIP, SocketAddress } from 'node:net';
import { networkInterfaces } from 'node:os';

const wildcards: ReadonlySet<string> = new Set(['0.0.0.0', '::']);
/** How long the machine's own addresses are believed. */
const interfacesMs = 10_000;

/**
 * Tells the control plane's own addresses: what it listens on, what it advertises and, where it listens on all addresses, all that the
 * machine has.
 */
export function controlPlaneAddresses(
  named: () => readonly string[],
  { interfaces = machineAddresses }: { readonly interfaces?: () => ReadonlySet<string> } = {},
): (address: string) => boolean {
  return (address) => {
    const asked = canonical(address);
    const own = named().map(canonical);
    return own.includes(asked) || (own.some((one) => wildcards.has(one)) && interfaces().has(asked));
  };
}

/** One spelling for each IPv6 address; names stay as they are. */
function canonical(address: string): string {
  return isIP(address) === 6 ? new SocketAddress({ address, family: 'ipv6' }).address : address;
}

let known: { readonly addresses: ReadonlySet<string>; readonly untilMs: number } | undefined;

function machineAddresses(): ReadonlySet<string> {
  const nowMs = performance.now();
  if (!known || known.untilMs <= nowMs) {
    const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
    known = { addresses: new Set(all.map(({ address }) => address)), untilMs: nowMs + interfacesMs };
  }
  return known.addresses;
}
