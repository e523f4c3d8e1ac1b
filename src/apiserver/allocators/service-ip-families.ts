import { type FieldError, invalid } from '../../api/field-error.ts';
import type { Service } from '../../api/kubernetes/core-v1.ts';
import { validateClusterIps } from '../../api/validation/service-cluster-ips.ts';
import { familyOf, type IpFamily } from './address-range.ts';

/**
 * Fills `ipFamilyPolicy` and `ipFamilies` as far as the client has left them open. `configured` are the cluster's families, its own first.
 * Source: `pkg/registry/core/service/storage/alloc.go`, `initIPFamilyFields`.
 */
export function fillIpFamilies(
  service: Service,
  old: Readonly<Service> | undefined,
  configured: readonly IpFamily[],
): FieldError[] {
  const { spec } = service;
  if (!spec || spec.type === 'ExternalName') return [];
  const withoutSelector = spec.clusterIP === 'None' && Object.keys(spec.selector ?? {}).length === 0;
  spec.ipFamilyPolicy ??= old?.spec?.ipFamilyPolicy ?? (withoutSelector ? 'RequireDualStack' : 'SingleStack');
  const bad = validateClusterIps(service);
  if (bad.length > 0) return bad;
  const errors = releaseSecondary(service, old);
  const families = [...(spec.ipFamilies ?? [])];
  (spec.clusterIPs ?? []).forEach((address, i) => {
    if (address === 'None' || i < families.length) return;
    const family = familyOf(address);
    if (configured.includes(family)) families.push(family);
    else errors.push(invalid(`spec.clusterIPs[${i}]`, spec.clusterIPs, `${family} is not configured on this cluster`));
  });
  if (errors.length > 0) return errors;

  const [primary = 'IPv4', secondary] = configured;
  if (!withoutSelector) {
    if (spec.ipFamilyPolicy === 'RequireDualStack' && secondary === undefined) {
      const detail = 'this cluster is not configured for dual-stack services';
      errors.push(invalid('spec.ipFamilyPolicy', spec.ipFamilyPolicy, detail));
    }
    families.forEach((family, i) => {
      if (!configured.includes(family as IpFamily)) {
        errors.push(invalid(`spec.ipFamilies[${i}]`, family, 'not configured on this cluster'));
      }
    });
    if (errors.length > 0) return errors;
  }
  if (families.length === 0) families.push(primary);
  const mayAdd = withoutSelector || secondary !== undefined;
  if (families.length === 1 && spec.ipFamilyPolicy !== 'SingleStack' && mayAdd) {
    families.push(families[0] === 'IPv4' ? 'IPv6' : 'IPv4');
  }
  spec.ipFamilies = families;
  return [];
}

/** Going back to one family gives the second address back; nothing else does. */
function releaseSecondary({ spec = {} }: Service, old: Readonly<Service> | undefined): FieldError[] {
  const errors: FieldError[] = [];
  const single = spec.ipFamilyPolicy === 'SingleStack';
  const [ips = [], families = []] = [spec.clusterIPs, spec.ipFamilies];
  const [oldIps = [], oldFamilies = []] = [old?.spec?.clusterIPs, old?.spec?.ipFamilies];
  const policy = (detail: string) => errors.push(invalid('spec.ipFamilyPolicy', spec.ipFamilyPolicy, detail));
  if (old && single) {
    if (ips.length > 1 && ips.join() === oldIps.join()) spec.clusterIPs = ips.slice(0, 1);
    if (families.length > 1 && families.join() === oldFamilies.join()) spec.ipFamilies = families.slice(0, 1);
  } else if (old) {
    if (ips.length === 1 && oldIps.length === 2) policy("must be 'SingleStack' to release the secondary cluster IP");
    if (families.length === 1 && oldFamilies.length === 2) {
      policy("must be 'SingleStack' to release the secondary IP family");
    }
  }
  if (!single) return errors;
  const several = "must be 'RequireDualStack' or 'PreferDualStack' when multiple";
  if (spec.clusterIPs?.length === 2) policy(`${several} cluster IPs are specified`);
  if (spec.ipFamilies?.length === 2) policy(`${several} IP families are specified`);
  return errors;
}
