import { isDeepStrictEqual } from 'node:util';
import { type FieldError, forbiddenField, invalid, required } from '../../field-error.ts';
import type { Container, Pod, PodSpec } from '../../kubernetes/core-v1.ts';
import { validateImageText } from './containers.ts';
import { describeChanges } from './describe-changes.ts';
import { validatePodSpec } from './pod-spec.ts';
import { validateTolerations } from './scheduling.ts';

const mirrorAnnotation = 'kubernetes.io/config.mirror';
const maxInt32 = 2_147_483_647;

export function validatePod(pod: Readonly<Pod>): FieldError[] {
  const spec = specOf(pod);
  const errors = validateWhole(pod);
  if ((spec.ephemeralContainers ?? []).length > 0) {
    errors.push(forbiddenField('spec.ephemeralContainers', 'cannot be set on create'));
  }
  if (spec.nodeName && (spec.schedulingGates ?? []).length > 0) {
    errors.push(forbiddenField('spec.nodeName', 'cannot be set until all schedulingGates have been cleared'));
  }
  return errors;
}

/** Almost nothing of a pod changes. Source: `pkg/apis/core/validation/validation.go`, `ValidatePodUpdate`. */
export function validatePodUpdate(pod: Readonly<Pod>, old: Readonly<Pod>): FieldError[] {
  const [spec, before] = [specOf(pod), specOf(old)];
  const errors = [...validateWhole(pod), ...validateMirror(pod, old)];
  for (const list of ['containers', 'initContainers'] as const) {
    const now = spec[list] ?? [];
    if (now.length !== (before[list] ?? []).length) {
      return [...errors, forbiddenField(`spec.${list}`, 'pod updates may not add or remove containers')];
    }
    now.forEach((container, i) => {
      if (!container.image) errors.push(required(`spec.${list}[${i}].image`));
      errors.push(...validateImageText(container, `spec.${list}[${i}]`));
    });
  }
  const deadline = validateDeadline(spec.activeDeadlineSeconds, before.activeDeadlineSeconds);
  errors.push(...deadline);
  if (deadline.length > 0 && spec.activeDeadlineSeconds !== undefined) return errors;
  errors.push(...validateTolerationsUpdate(spec, before), ...validateGatesUpdate(spec, before));
  if (isDeepStrictEqual(spec, before)) return errors;
  const rest = withUpdatable(spec, before);
  if (isDeepStrictEqual(rest, before)) return errors;
  const fields =
    '`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';
  const diff = describeChanges(before, rest);
  return [...errors, forbiddenField('spec', `pod updates may not change fields other than ${fields}\n${diff}`)];
}

export function validatePodEphemeralContainers(pod: Readonly<Pod>, old: Readonly<Pod>): FieldError[] {
  if (old.metadata?.annotations?.[mirrorAnnotation] !== undefined) {
    return [forbiddenField('', 'static pods do not support ephemeral containers')];
  }
  const path = 'spec.ephemeralContainers';
  const now = specOf(pod).ephemeralContainers ?? [];
  const changed = (specOf(old).ephemeralContainers ?? []).flatMap((before) => {
    const same = now.find(({ name }) => name === before.name);
    const which = `existing ephemeral containers ${JSON.stringify(before.name)} may not be`;
    if (!same) return [forbiddenField(path, `${which} removed\n`)];
    if (isDeepStrictEqual(same, before)) return [];
    return [forbiddenField(path, `${which} changed\n${describeChanges(before, same)}`)];
  });
  return [...validateWhole(pod), ...validateMirror(pod, old), ...changed];
}

function validateWhole(pod: Readonly<Pod>): FieldError[] {
  const spec = specOf(pod);
  const errors = validateMirrorNode(pod);
  errors.push(...validatePodSpec(spec, 'spec', { isPod: true, ...(pod.metadata && { meta: pod.metadata }) }));
  if (!spec.serviceAccountName) {
    (spec.volumes ?? []).forEach(({ projected }, i) => {
      (projected?.sources ?? []).forEach(({ serviceAccountToken }, j) => {
        const at = `spec.volumes[${i}].projected.sources[${j}].serviceAccountToken`;
        const detail = 'must not be specified when serviceAccountName is not set';
        if (serviceAccountToken) errors.push(forbiddenField(at, detail));
      });
    });
  }
  for (const list of ['containers', 'initContainers'] as const) {
    errors.push(...(spec[list] ?? []).flatMap((container, i) => validateImageText(container, `spec.${list}[${i}]`)));
  }
  return errors;
}

/** What a kubelet says of its own pods stays as it said. */
export function validateMirror(pod: Readonly<Pod>, old: Readonly<Pod>): FieldError[] {
  const change = (detail: string) => [forbiddenField(`metadata.annotations[${mirrorAnnotation}]`, detail)];
  const now = pod.metadata?.annotations?.[mirrorAnnotation];
  const before = old.metadata?.annotations?.[mirrorAnnotation];
  if (now === before) return validateMirrorNode(pod);
  if (before !== undefined)
    return [...change('may not remove or update mirror pod annotation'), ...validateMirrorNode(pod)];
  return [...change('may not add mirror pod annotation'), ...validateMirrorNode(pod)];
}

function validateMirrorNode({ metadata = {}, spec }: Readonly<Pod>): FieldError[] {
  const value = metadata.annotations?.[mirrorAnnotation];
  if (value === undefined || spec?.nodeName) return [];
  const detail = 'must set spec.nodeName if mirror pod annotation is set';
  return [invalid(`metadata.annotations[${mirrorAnnotation}]`, value, detail)];
}

function validateDeadline(now: number | undefined, before: number | undefined): FieldError[] {
  const path = 'spec.activeDeadlineSeconds';
  if (now === undefined) {
    const detail = 'must not update from a positive integer to nil value';
    return before === undefined ? [] : [invalid(path, null, detail)];
  }
  if (now < 0 || now > maxInt32) return [invalid(path, now, `must be between 0 and ${maxInt32}, inclusive`)];
  if (before === undefined || now <= before) return [];
  return [invalid(path, now, 'must be less than or equal to previous value')];
}

function validateTolerationsUpdate({ tolerations = [] }: PodSpec, { tolerations: before = [] }: PodSpec): FieldError[] {
  const path = 'spec.tolerations';
  const lost = before.some(
    ({ tolerationSeconds: _before, ...kept }) =>
      !tolerations.some(({ tolerationSeconds: _now, ...rest }) => isDeepStrictEqual({ ...kept }, { ...rest })),
  );
  if (lost) return [forbiddenField(path, 'existing toleration can not be modified except its tolerationSeconds')];
  return validateTolerations(tolerations, path);
}

function validateGatesUpdate(
  { schedulingGates = [] }: PodSpec,
  { schedulingGates: before = [] }: PodSpec,
): FieldError[] {
  return schedulingGates.flatMap(({ name }, i) => {
    if (before.some((gate) => gate.name === name)) return [];
    const detail = `only deletion is allowed, but found new scheduling gate '${name}'`;
    return [forbiddenField(`spec.schedulingGates[${i}].name`, detail)];
  });
}

/** `spec` with what may change as it was: anything else that differs must not. */
function withUpdatable(spec: PodSpec, before: PodSpec): PodSpec {
  const images = (now: readonly Container[], old: readonly Container[]) =>
    now.map((container, i) => {
      const { image: _image, ...rest } = container;
      const image = old[i]?.image;
      return image === undefined ? rest : { ...rest, image };
    });
  const rest: PodSpec = { ...spec, containers: images(spec.containers ?? [], before.containers ?? []) };
  if (spec.initContainers) rest.initContainers = images(spec.initContainers, before.initContainers ?? []);
  keep(rest, before, 'activeDeadlineSeconds');
  keep(rest, before, 'schedulingGates');
  keep(rest, before, 'tolerations');
  if ((before.terminationGracePeriodSeconds ?? 0) < 0 && rest.terminationGracePeriodSeconds === 1) {
    keep(rest, before, 'terminationGracePeriodSeconds');
  }
  if ((before.schedulingGates ?? []).length > 0) {
    keep(rest, before, 'nodeSelector');
    const nodeAffinity = before.affinity?.nodeAffinity;
    const { nodeAffinity: _now, ...others } = rest.affinity ?? {};
    const affinity = { ...others, ...(nodeAffinity && { nodeAffinity }) };
    if (Object.keys(affinity).length > 0 || before.affinity) rest.affinity = affinity;
    else delete rest.affinity;
  }
  return rest;
}

function keep<K extends keyof PodSpec>(spec: PodSpec, before: PodSpec, field: K): void {
  const value = before[field];
  if (value === undefined) delete spec[field];
  else spec[field] = value;
}

function specOf({ spec }: Readonly<Pod>): PodSpec {
  return spec ?? { containers: [] };
}
