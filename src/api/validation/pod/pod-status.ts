import { type FieldError, forbiddenField, invalid } from '../../field-error.ts';
import type { ContainerStatus, Pod } from '../../kubernetes/core-v1.ts';
import { labelKeyErrors } from '../../label-name.ts';
import { validateLegacyIp } from '../ip-address.ts';
import { dns1123SubdomainErrors } from '../names.ts';
import { validateMirror } from './pod.ts';

const systemConditions = new Set(['PodScheduled', 'Ready', 'Initialized']);

export function validatePodStatusUpdate(pod: Readonly<Pod>, old: Readonly<Pod>): FieldError[] {
  const status = pod.status ?? {};
  const before = old.status ?? {};
  const errors = validateMirror(pod, old);
  (status.conditions ?? []).forEach(({ type = '' }, i) => {
    if (systemConditions.has(type)) return;
    for (const text of labelKeyErrors(type)) errors.push(invalid(`status.conditions[${i}].Type`, type, text));
  });
  const { nominatedNodeName: node = '' } = status;
  if (node !== '' && node !== before.nominatedNodeName) {
    for (const text of dns1123SubdomainErrors(node)) errors.push(invalid('status.nominatedNodeName', node, text));
    if (old.spec?.nodeName) {
      errors.push(
        forbiddenField('status.nominatedNodeName', 'may not be set on pods that are already bound to a node'),
      );
    }
  }
  if (status.qosClass !== before.qosClass) {
    errors.push(invalid('status.qosClass', status.qosClass ?? '', 'field is immutable'));
  }
  const { restartPolicy } = old.spec ?? {};
  errors.push(...validateTransitions(status.containerStatuses, before.containerStatuses, restartPolicy));
  const known = (before.podIPs ?? []).map(({ ip }) => ip);
  const addresses = (status.podIPs ?? []).map(({ ip = '' }) => ip);
  errors.push(...addresses.flatMap((address, i) => validateLegacyIp(address, `status.podIPs[${i}]`, known)));
  const families = new Set(addresses.map((address) => address.includes(':')));
  if (addresses.length > families.size) {
    errors.push(invalid('status.podIPs', status.podIPs, 'may specify no more than one IP for each IP family'));
  }
  return errors;
}

/** A container that has ended for good stays ended. */
function validateTransitions(
  now: readonly ContainerStatus[] = [],
  before: readonly ContainerStatus[] = [],
  restartPolicy: string | undefined,
): FieldError[] {
  if (restartPolicy === 'Always' || restartPolicy === undefined) return [];
  return before.flatMap(({ name, state }, i) => {
    const ended = state?.terminated;
    if (!ended || (ended.exitCode !== 0 && restartPolicy === 'OnFailure')) return [];
    const revived = now.some((status) => status.name === name && !status.state?.terminated);
    if (!revived) return [];
    return [forbiddenField(`status.containerStatuses[${i}].state`, 'may not be transitioned to non-terminated state')];
  });
}
