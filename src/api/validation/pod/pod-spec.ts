import { duplicate, type FieldError, invalid, notSupported, required } from '../../field-error.ts';
import type { PodDNSConfig, PodSpec } from '../../kubernetes/core-v1.ts';
import type { ObjectMeta } from '../../kubernetes/meta-v1.ts';
import { labelKeyErrors } from '../../label-name.ts';
import { validateLegacyIp } from '../ip-address.ts';
import { validateLabels } from '../labels.ts';
import { dns1123LabelErrors, dns1123SubdomainErrors, type NameCheck } from '../names.ts';
import { oneOf, validateContainers, validateEphemeralContainers, validateInitContainers } from './containers.ts';
import { podContext } from './context.ts';
import { validateResourceQuantity } from './resources.ts';
import { validateAffinity, validateSpread, validateTolerations } from './scheduling.ts';
import { validatePodSecurity } from './security-context.ts';
import { validateVolumes } from './volumes.ts';

const maxInt32 = 2_147_483_647;

export interface PodSpecOptions {
  /** Of the pod, where there is one yet. */
  readonly meta?: ObjectMeta;
  /** A pod itself, no template of one. */
  readonly isPod: boolean;
}

/** The spec of a pod or of a template. Source: `pkg/apis/core/validation/validation.go`, `ValidatePodSpec`. */
export function validatePodSpec(spec: Readonly<PodSpec>, path: string, { meta, isPod }: PodSpecOptions): FieldError[] {
  const grace = spec.terminationGracePeriodSeconds;
  const errors = grace === undefined ? [required(`${path}.terminationGracePeriodSeconds`)] : [];
  const { errors: bad, byName } = validateVolumes(spec.volumes, `${path}.volumes`, meta?.name);
  const pod = podContext(spec, byName);
  errors.push(
    ...bad,
    ...validateContainers(spec, path, pod),
    ...validateInitContainers(spec, path, pod),
    ...validateEphemeralContainers(spec, path, pod),
    ...validateHostNetwork(spec, path, isPod),
    ...oneOf(spec.restartPolicy ?? '', `${path}.restartPolicy`, ['Always', 'OnFailure', 'Never']),
    ...oneOf(spec.dnsPolicy ?? '', `${path}.dnsPolicy`, ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None']),
    ...validateLabels(spec.nodeSelector, `${path}.nodeSelector`),
    ...validatePodSecurity(spec, `${path}.securityContext`),
    ...validateAffinity(spec.affinity, `${path}.affinity`),
    ...validateDns(spec.dnsConfig, `${path}.dnsConfig`, spec.dnsPolicy),
    ...validateGates(spec, path),
    ...validateSpread(spec.topologySpreadConstraints, `${path}.topologySpreadConstraints`),
    ...validateNames(spec, path),
  );
  return errors;
}

function validateHostNetwork(spec: Readonly<PodSpec>, path: string, isPod: boolean): FieldError[] {
  if (!spec.hostNetwork) return [];
  return (spec.containers ?? []).flatMap(({ ports = [] }, i) =>
    ports.flatMap(({ hostPort = 0, containerPort }, j) => {
      if ((!isPod && hostPort === 0) || hostPort === containerPort) return [];
      const at = `${path}.containers[${i}].ports[${j}].hostPort`;
      return [invalid(at, hostPort, 'must match `containerPort` when `hostNetwork` is true')];
    }),
  );
}

function validateDns(config: PodDNSConfig | undefined, path: string, policy: string | undefined): FieldError[] {
  const { nameservers = [], searches = [], options = [] } = config ?? {};
  if (policy === 'None') {
    if (!config) return [required(path, 'must provide `dnsConfig` when `dnsPolicy` is None')];
    if (nameservers.length === 0) {
      const detail = 'must provide at least one DNS nameserver when `dnsPolicy` is None';
      return [required(`${path}.nameservers`, detail)];
    }
  }
  const errors: FieldError[] = [];
  if (nameservers.length > 3) {
    errors.push(invalid(`${path}.nameservers`, nameservers, 'must not have more than 3 nameservers'));
  }
  errors.push(...nameservers.flatMap((address, i) => validateLegacyIp(address, `${path}.nameservers[${i}]`)));
  if (searches.length > 32)
    errors.push(invalid(`${path}.searches`, searches, 'must not have more than 32 search paths'));
  if (searches.join(' ').length > 2048) {
    const detail = 'must not have more than 2048 characters (including spaces) in the search list';
    errors.push(invalid(`${path}.searches`, searches, detail));
  }
  searches.forEach((search, i) => {
    if (search === '.') return;
    const name = search.replace(/\.$/, '');
    // Underscores are used in the wild.
    for (const text of dns1123SubdomainErrors(name.replaceAll('_', 'a'))) {
      errors.push(invalid(`${path}.searches[${i}]`, name, text));
    }
  });
  options.forEach(({ name = '' }, i) => {
    if (name === '') errors.push(required(`${path}.options[${i}]`, 'must not be empty'));
  });
  return errors;
}

function validateGates({ readinessGates = [], schedulingGates = [] }: Readonly<PodSpec>, path: string): FieldError[] {
  const errors = readinessGates.flatMap(({ conditionType = '' }, i) =>
    labelKeyErrors(conditionType).map((text) =>
      invalid(`${path}.readinessGates[${i}].conditionType`, conditionType, text),
    ),
  );
  const seen = new Set<string>();
  schedulingGates.forEach(({ name = '' }, i) => {
    const at = `${path}.schedulingGates[${i}]`;
    for (const text of labelKeyErrors(name)) errors.push(invalid(at, name, text));
    if (seen.has(name)) errors.push(duplicate(at, name));
    seen.add(name);
  });
  return errors;
}

function validateNames(spec: Readonly<PodSpec>, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const check = (field: string, text: string | undefined, rule: NameCheck) => {
    if (text) for (const error of rule(text)) errors.push(invalid(`${path}.${field}`, text, error));
  };
  check('serviceAccountName', spec.serviceAccountName, dns1123SubdomainErrors);
  check('nodeName', spec.nodeName, dns1123SubdomainErrors);
  const { activeDeadlineSeconds: deadline } = spec;
  if (deadline !== undefined && (deadline < 1 || deadline > maxInt32)) {
    errors.push(invalid(`${path}.activeDeadlineSeconds`, deadline, `must be between 1 and ${maxInt32}, inclusive`));
  }
  check('hostname', spec.hostname, dns1123LabelErrors);
  check('subdomain', spec.subdomain, dns1123LabelErrors);
  errors.push(...validateTolerations(spec.tolerations, `${path}.tolerations`));
  (spec.hostAliases ?? []).forEach(({ ip = '', hostnames = [] }, i) => {
    errors.push(...validateLegacyIp(ip, `${path}.hostAliases[${i}].ip`));
    hostnames.forEach((name, j) => {
      for (const text of dns1123SubdomainErrors(name)) {
        errors.push(invalid(`${path}.hostAliases[${i}].hostnames[${j}]`, name, text));
      }
    });
  });
  check('priorityClassName', spec.priorityClassName, dns1123SubdomainErrors);
  check('runtimeClassName', spec.runtimeClassName, dns1123SubdomainErrors);
  const policies = ['PreemptLowerPriority', 'Never'];
  if (spec.preemptionPolicy !== undefined && !policies.includes(spec.preemptionPolicy)) {
    errors.push(notSupported(`${path}.preemptionPolicy`, spec.preemptionPolicy, policies));
  }
  for (const [name, quantity] of Object.entries(spec.overhead ?? {})) {
    errors.push(...validateResourceQuantity(name, String(quantity), `${path}.overhead[${name}]`));
  }
  if (spec.os !== undefined && !['linux', 'windows'].includes(spec.os.name)) {
    errors.push(notSupported(`${path}.os`, spec.os.name, ['linux', 'windows']));
  }
  return errors;
}
