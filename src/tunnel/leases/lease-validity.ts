import type { Lease } from '../../api/kubernetes/coordination-v1.ts';

/** Where agents reach the server of a lease: `host:port`, an IPv6 host in brackets. Ours; upstream's servers do not write it. */
export const agentAddressAnnotation = 'fairlead.dev/agent-address';

/** Whether the lease's holder has renewed it, or else taken it, within the lease's duration. A lease that has no time is expired. */
export function isLeaseValid({ spec = {} }: Lease, nowMs: number): boolean {
  const time = spec.renewTime ?? spec.acquireTime;
  const sinceMs = time === undefined ? Number.NaN : Date.parse(time);
  return !Number.isNaN(sinceMs) && sinceMs + (spec.leaseDurationSeconds ?? 0) * 1000 > nowMs;
}

export interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

/** Reads `host:port`; `undefined` where it is none. */
export function parseServerAddress(text: string, defaultPort?: number): ServerAddress | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/.exec(text);
  if (!match) return undefined;
  const [, bracketed, plain = '', digits] = match;
  const port = digits === undefined ? defaultPort : Number(digits);
  if (port === undefined || port < 1 || port > 65_535) return undefined;
  return { host: bracketed ?? plain, port };
}

export function formatServerAddress({ host, port }: ServerAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
