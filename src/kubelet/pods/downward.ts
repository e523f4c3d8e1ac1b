import { availableParallelism, totalmem } from 'node:os';
import type { Container, ObjectFieldSelector, Pod, ResourceFieldSelector } from '../../api/kubernetes/core-v1.ts';
import { parseQuantity, quantityToNumber } from '../../api/quantity.ts';

/** What is known of a pod only on its node. */
export interface PodAddresses {
  readonly podIp: string;
  readonly hostIp: string;
  readonly nodeName: string;
}

/** The value of a `fieldRef`. @throws {Error} for a path that is not offered */
export function readField(pod: Pod, { fieldPath }: ObjectFieldSelector, addresses: PodAddresses): string {
  const { metadata, spec } = pod;
  const [, list, key] = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(fieldPath) ?? [];
  if (list && key) return (list === 'labels' ? metadata?.labels : metadata?.annotations)?.[key] ?? '';
  switch (fieldPath) {
    case 'metadata.name':
      return metadata?.name ?? '';
    case 'metadata.namespace':
      return metadata?.namespace ?? '';
    case 'metadata.uid':
      return metadata?.uid ?? '';
    case 'metadata.labels':
      return formatMap(metadata?.labels);
    case 'metadata.annotations':
      return formatMap(metadata?.annotations);
    case 'spec.nodeName':
      return spec?.nodeName ?? addresses.nodeName;
    case 'spec.serviceAccountName':
      return spec?.serviceAccountName ?? '';
    case 'status.podIP':
    case 'status.podIPs':
      return addresses.podIp;
    case 'status.hostIP':
    case 'status.hostIPs':
      return addresses.hostIp;
    default:
      throw new Error(`unsupported fieldPath: ${fieldPath}`);
  }
}

/** The value of a `resourceFieldRef`: the limit or request in units of the divisor, rounded up; a missing limit is the node's. */
export function readResource(container: Container, { resource, divisor }: ResourceFieldSelector): string {
  const [, kind, name = ''] = /^(limits|requests)\.(.+)$/.exec(resource) ?? [];
  if (!kind) throw new Error(`unsupported resource: ${resource}`);
  const set = kind === 'limits' ? container.resources?.limits : container.resources?.requests;
  const machine: Record<string, number> = { cpu: availableParallelism(), memory: totalmem() };
  const fallback = kind === 'limits' ? (machine[name] ?? 0) : 0;
  const amount = set?.[name] === undefined ? fallback : toNumber(set[name]);
  const unit = divisor === undefined || divisor === '' || divisor === '0' ? 1 : toNumber(divisor);
  return String(Math.ceil(amount / unit));
}

function toNumber(quantity: string): number {
  return quantityToNumber(parseQuantity(quantity));
}

function formatMap(map: Readonly<Record<string, string>> = {}): string {
  const entries = Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join('\n');
}
