import type { LocalDetector } from '../kube-proxy-config.ts';
import { type Family, familyOf } from '../service-port.ts';

/** What the rules of every Service depend on. */
export interface MatchOptions {
  readonly localDetector: LocalDetector;
}

/** Matches of packets that come from a pod of this cluster: one of them is enough. Empty where that cannot be told. */
export function isLocalSource(family: Family, detector: LocalDetector): string[] {
  switch (detector.kind) {
    case 'none':
      return [];
    case 'cidrs':
      return cidrsOf(family, detector.cidrs).map((cidr) => `${family} saddr ${cidr}`);
    case 'interface':
      return [`iifname "${detector.name}"`];
    case 'interface-prefix':
      return [`iifname "${detector.prefix}*"`];
  }
}

/** One match of packets that come from elsewhere, or `undefined` where that cannot be told. */
export function isForeignSource(family: Family, detector: LocalDetector): string | undefined {
  const matches = isLocalSource(family, detector).map((match) => match.replace(/ (\S+)$/, ' != $1'));
  return matches.length > 0 ? matches.join(' ') : undefined;
}

export function cidrsOf(family: Family, cidrs: readonly string[]): string[] {
  return cidrs.filter((cidr) => familyOf(cidr.split('/')[0] ?? '') === family);
}
