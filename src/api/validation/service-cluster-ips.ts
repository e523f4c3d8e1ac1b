import { duplicate, type FieldError, invalid, notSupported, required } from '../field-error.ts';
import type { Service } from '../kubernetes/core-v1.ts';
import { validateLegacyIp } from './ip-address.ts';

const families = ['IPv4', 'IPv6'];
const policies = ['PreferDualStack', 'RequireDualStack', 'SingleStack'];

export function isHeadlessService({ spec }: Readonly<Service>): boolean {
  return spec?.clusterIPs?.length === 1 && spec.clusterIPs[0] === 'None';
}

/** `clusterIP`, `clusterIPs`, `ipFamilies` and `ipFamilyPolicy` fit together. */
export function validateClusterIps(service: Readonly<Service>, old?: Readonly<Service>): FieldError[] {
  const { spec = {} } = service;
  if (spec.type === 'ExternalName') return [];
  const path = 'spec.clusterIPs';
  const { clusterIP = '', clusterIPs: ips = [], ipFamilies = [], ipFamilyPolicy } = spec;
  const errors: FieldError[] = [];
  if (clusterIP === '') {
    if (ips.length > 0) errors.push(invalid(path, ips, 'must be empty when `clusterIP` is not specified'));
  } else if (ips.length === 0) errors.push(required(path));
  else if (ips[0] !== clusterIP) errors.push(invalid(path, ips, 'first value must match `clusterIP`'));

  ipFamilies.forEach((family, i) => {
    if (!families.includes(family)) errors.push(notSupported(`spec.ipFamilies[${i}]`, family, families));
    if (ipFamilies.indexOf(family) < i) errors.push(duplicate(`spec.ipFamilies[${i}]`, family));
  });
  if (ipFamilyPolicy !== undefined && !policies.includes(ipFamilyPolicy)) {
    errors.push(notSupported('spec.ipFamilyPolicy', ipFamilyPolicy, policies));
  }

  let readable = true;
  ips.forEach((address, i) => {
    if (i === 0 && address === 'None') {
      if (ips.length === 1) return;
      readable = false;
      errors.push(invalid(path, ips, "'None' must be the first and only value"));
      return;
    }
    const bad = validateLegacyIp(address, `${path}[${i}]`, old?.spec?.clusterIPs);
    if (bad.length > 0) readable = false;
    errors.push(...bad);
  });
  if (ips.length > 2) errors.push(invalid(path, ips, 'may only hold up to 2 values'));
  if (!readable) return errors;
  const isV6 = (address: string) => address.includes(':');
  if (ips.length > 1 && new Set(ips.map(isV6)).size < 2) {
    errors.push(invalid(path, ips, 'may specify no more than one IP for each IP family'));
  }
  if (isHeadlessService(service)) return errors;
  ips.slice(0, ipFamilies.length).forEach((address, i) => {
    const expected = ipFamilies[i];
    if ((expected === 'IPv4' && isV6(address)) || (expected === 'IPv6' && !isV6(address))) {
      const detail = `expected an ${expected} value as indicated by \`ipFamilies[${i}]\``;
      errors.push(invalid(`${path}[${i}]`, address, detail));
    }
  });
  return errors;
}

/** The first address and family stay; a second one may come and go with the policy. */
export function validateClusterIpsUpdate(service: Readonly<Service>, old: Readonly<Service>): FieldError[] {
  if (service.spec?.type === 'ExternalName' || old.spec?.type === 'ExternalName') return [];
  const headless = isHeadlessService(service);
  const wasHeadless = isHeadlessService(old);
  if (headless && wasHeadless) return [];
  const { clusterIPs: ips = [], ipFamilies: now = [], ipFamilyPolicy } = service.spec ?? {};
  const { clusterIPs: oldIps = [], ipFamilies: before = [] } = old.spec ?? {};
  const errors = changedList({
    now: ips,
    before: oldIps,
    path: 'spec.clusterIPs',
    unset: 'primary clusterIP',
    ipFamilyPolicy,
  });
  if (headless !== wasHeadless) return errors;
  return [
    ...errors,
    ...changedList({ now, before, path: 'spec.ipFamilies', unset: 'primary ipFamily', ipFamilyPolicy }),
  ];
}

function changedList(lists: {
  now: string[];
  before: string[];
  path: string;
  unset: string;
  ipFamilyPolicy: string | undefined;
}): FieldError[] {
  const { now, before, path, unset, ipFamilyPolicy } = lists;
  const changed = (i: number) => invalid(`${path}[${i}]`, now, 'may not change once set');
  if (now.length === before.length) return before.flatMap((value, i) => (value === now[i] ? [] : [changed(i)]));
  const errors: FieldError[] = [];
  if (before.length > now.length && now.length === 0)
    errors.push(invalid(`${path}[0]`, null, `${unset} can not be unset`));
  if (before.length > 0 && now.length > 0 && now[0] !== before[0]) errors.push(changed(0));
  if (before.length > now.length && now.length === 1 && ipFamilyPolicy !== 'SingleStack') {
    const what = unset.replace('primary', 'secondary');
    errors.push(
      invalid('spec.ipFamilyPolicy', ipFamilyPolicy ?? null, `must be set to 'SingleStack' when releasing the ${what}`),
    );
  }
  return errors;
}
