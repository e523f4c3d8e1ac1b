import { duplicate, type FieldError, invalid, notSupported, required } from '../../field-error.ts';
import type { PodSecurityContext, PodSpec, SeccompProfile, SecurityContext } from '../../kubernetes/core-v1.ts';
import { validateId } from '../numbers.ts';
import type { PodContext } from './context.ts';
import { validateDescendingPath } from './paths.ts';

export function validateContainerSecurity(
  context: SecurityContext | undefined,
  path: string,
  pod: PodContext,
): FieldError[] {
  if (!context) return [];
  const { procMount, allowPrivilegeEscalation, privileged, capabilities } = context;
  const errors = [
    ...validateId(context.runAsUser, `${path}.runAsUser`),
    ...validateId(context.runAsGroup, `${path}.runAsGroup`),
  ];
  if (procMount !== undefined) {
    const at = `${path}.procMount`;
    if (procMount !== 'Default' && procMount !== 'Unmasked') {
      errors.push(notSupported(at, procMount, ['Default', 'Unmasked']));
    }
    if (pod.hostUsers && procMount === 'Unmasked') {
      errors.push(invalid(at, procMount, '`hostUsers` must be false to use `Unmasked`'));
    }
  }
  errors.push(...validateSeccomp(context.seccompProfile, `${path}.seccompProfile`));
  if (allowPrivilegeEscalation !== false) return errors;
  const not = 'cannot set `allowPrivilegeEscalation` to false and';
  if (privileged === true) errors.push(invalid(path, context, `${not} \`privileged\` to true`));
  if (capabilities?.add?.includes('CAP_SYS_ADMIN')) {
    errors.push(invalid(path, context, `${not} \`capabilities.Add\` CAP_SYS_ADMIN`));
  }
  return errors;
}

const sysctlName = /^(?:[a-z0-9](?:[-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9](?:[-_a-z0-9]*[a-z0-9])?$/;

export function validatePodSecurity(
  { securityContext: context, hostPID, shareProcessNamespace }: Readonly<PodSpec>,
  path: string,
): FieldError[] {
  const both = 'ShareProcessNamespace and HostPID cannot both be enabled';
  const shares = hostPID && shareProcessNamespace ? [invalid(`${path}.shareProcessNamespace`, true, both)] : [];
  if (!context) return shares;
  const errors = [
    ...validateId(context.fsGroup, `${path}.fsGroup`),
    ...validateId(context.runAsUser, `${path}.runAsUser`),
    ...validateId(context.runAsGroup, `${path}.runAsGroup`),
    ...(context.supplementalGroups ?? []).flatMap((id, i) => validateId(id, `${path}.supplementalGroups[${i}]`)),
  ];
  return [...errors, ...shares, ...validateSysctls(context, `${path}.sysctls`), ...validatePolicies(context, path)];
}

function validateSysctls({ sysctls = [] }: PodSecurityContext, path: string): FieldError[] {
  const seen = new Set<string>();
  return sysctls.flatMap(({ name = '' }, i) => {
    const at = `${path}[${i}].name`;
    const errors: FieldError[] = [];
    if (name === '') errors.push(required(at));
    else if (name.length > 253 || !sysctlName.test(name)) {
      const expression = '([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
      errors.push(invalid(at, name, `must have at most 253 characters and match regex ^${expression}$`));
    }
    if (seen.has(name.replaceAll('/', '.'))) {
      errors.push(duplicate(at, name));
    }
    seen.add(name.replaceAll('/', '.'));
    return errors;
  });
}

function validatePolicies(context: PodSecurityContext, path: string): FieldError[] {
  const { fsGroupChangePolicy, supplementalGroupsPolicy, seccompProfile } = context;
  const errors: FieldError[] = [];
  const known = ['Always', 'OnRootMismatch'];
  if (fsGroupChangePolicy !== undefined && !known.includes(fsGroupChangePolicy)) {
    errors.push(notSupported(`${path}.fsGroupChangePolicy`, fsGroupChangePolicy, known));
  }
  errors.push(...validateSeccomp(seccompProfile, `${path}.seccompProfile`));
  const groups = ['Merge', 'Strict'];
  if (supplementalGroupsPolicy !== undefined && !groups.includes(supplementalGroupsPolicy)) {
    errors.push(notSupported(`${path}.supplementalGroupsPolicy`, supplementalGroupsPolicy, groups));
  }
  return errors;
}

const seccompTypes = ['Localhost', 'RuntimeDefault', 'Unconfined'];

function validateSeccomp(profile: SeccompProfile | undefined, path: string): FieldError[] {
  if (!profile) return [];
  const { type = '', localhostProfile } = profile;
  const errors: FieldError[] = [];
  if (type === '') errors.push(required(`${path}.type`, 'type is required when seccompProfile is set'));
  else if (!seccompTypes.includes(type)) errors.push(notSupported(`${path}.type`, type, seccompTypes));
  const at = `${path}.localhostProfile`;
  if (type === 'Localhost') {
    if (localhostProfile === undefined) {
      errors.push(required(at, 'must be set when seccomp type is Localhost'));
    } else errors.push(...validateDescendingPath(localhostProfile, at));
  } else if (localhostProfile !== undefined) {
    errors.push(invalid(at, localhostProfile, 'can only be set when seccomp type is Localhost'));
  }
  return errors;
}
