import {
  duplicate,
  type FieldError,
  forbiddenField,
  invalid,
  notFoundField,
  notSupported,
  required,
  tooMany,
} from '../../field-error.ts';
import type {
  Container,
  ContainerPort,
  ContainerResizePolicy,
  EphemeralContainer,
  PodSpec,
} from '../../kubernetes/core-v1.ts';
import { dns1123LabelErrors, portNameErrors } from '../names.ts';
import { validatePortNumber, validateProtocol } from '../ports.ts';
import type { PodContext } from './context.ts';
import { validateEnv, validateEnvFrom } from './env.ts';
import { validateDevices, validateMounts } from './mounts.ts';
import { validateLifecycle, validateProbes } from './probes.ts';
import { validateContainerResources } from './resources.ts';
import { validateContainerSecurity } from './security-context.ts';

/** What containers of all kinds have in common. */
type AnyContainer = Omit<Container, 'image'> & { image?: string };

export function validateContainers(spec: Readonly<PodSpec>, path: string, pod: PodContext): FieldError[] {
  const containers = spec.containers ?? [];
  const at = `${path}.containers`;
  if (containers.length === 0) return [required(at)];
  const names = new Set<string>();
  const errors = containers.flatMap((container, i) => {
    const own = `${at}[${i}]`;
    return [
      ...validateContainer(container, own, pod),
      ...uniqueName(container.name, own, names),
      ...validateLifecycle(container.lifecycle, `${own}.lifecycle`, pod),
      ...validateProbes(container, own, pod),
      ...validateRestartRules(container, own),
    ];
  });
  return [...errors, ...validateHostPorts(containers, at)];
}

export function validateInitContainers(spec: Readonly<PodSpec>, path: string, pod: PodContext): FieldError[] {
  const at = `${path}.initContainers`;
  const names = new Set((spec.containers ?? []).map(({ name }) => name));
  return (spec.initContainers ?? []).flatMap((container, i) => {
    const own = `${at}[${i}]`;
    const sidecar = container.restartPolicy === 'Always';
    const errors = [
      ...validateContainer(container, own, pod),
      ...validateRestartRules(container, own),
      ...uniqueName(container.name, own, names),
      ...validateHostPorts([container], at),
    ];
    if (sidecar) {
      errors.push(
        ...validateLifecycle(container.lifecycle, `${own}.lifecycle`, pod),
        ...validateProbes(container, own, pod),
      );
      return errors;
    }
    for (const field of ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
      if (container[field] === undefined) continue;
      errors.push(forbiddenField(`${own}.${field}`, 'may not be set for init containers without restartPolicy=Always'));
    }
    return errors;
  });
}

const ephemeralFields = new Set([
  'name',
  'image',
  'command',
  'args',
  'workingDir',
  'envFrom',
  'env',
  'volumeMounts',
  'volumeDevices',
  'terminationMessagePath',
  'terminationMessagePolicy',
  'imagePullPolicy',
  'securityContext',
  'stdin',
  'stdinOnce',
  'tty',
  'targetContainerName',
]);

export function validateEphemeralContainers(spec: Readonly<PodSpec>, path: string, pod: PodContext): FieldError[] {
  const others = new Set([...(spec.containers ?? []), ...(spec.initContainers ?? [])].map(({ name }) => name));
  const names = new Set(others);
  const notHere = 'cannot be set for an Ephemeral Container';
  return (spec.ephemeralContainers ?? []).flatMap((container: EphemeralContainer, i) => {
    const own = `${path}.ephemeralContainers[${i}]`;
    const { targetContainerName: target = '' } = container;
    const errors = [
      ...validateContainer(container, own, pod),
      ...validateImageText(container, own),
      ...uniqueName(container.name, own, names),
    ];
    if (target !== '' && !others.has(target)) errors.push(notFoundField(`${own}.targetContainerName`, target));
    for (const [field, value] of Object.entries(container)) {
      const set = value !== undefined && JSON.stringify(value) !== '{}';
      if (set && !ephemeralFields.has(field)) errors.push(forbiddenField(`${own}.${field}`, notHere));
    }
    (container.volumeMounts ?? []).forEach(({ subPath, subPathExpr }, j) => {
      if (subPath) errors.push(forbiddenField(`${own}.volumeMounts[${j}].subPath`, notHere));
      if (subPathExpr) errors.push(forbiddenField(`${own}.volumeMounts[${j}].subPathExpr`, notHere));
    });
    return errors;
  });
}

/** Templates may leave an image to be fixed later; pods may not. */
export function validateImageText({ image = '' }: AnyContainer, path: string): FieldError[] {
  if (image === image.trim()) return [];
  return [invalid(`${path}.image`, image, 'must not have leading or trailing whitespace')];
}

const pullPolicies = ['Always', 'IfNotPresent', 'Never'];
const messagePolicies = ['File', 'FallbackToLogsOnError'];

function validateContainer(container: AnyContainer, path: string, pod: PodContext): FieldError[] {
  const { name = '', image = '', terminationMessagePolicy = '', imagePullPolicy = '' } = container;
  const errors: FieldError[] = [];
  if (name === '') errors.push(required(`${path}.name`));
  else for (const text of dns1123LabelErrors(name)) errors.push(invalid(`${path}.name`, name, text));
  if (image === '') errors.push(required(`${path}.image`));
  errors.push(...oneOf(terminationMessagePolicy, `${path}.terminationMessagePolicy`, messagePolicies));
  errors.push(
    ...validatePorts(container.ports, `${path}.ports`),
    ...validateEnv(container.env, `${path}.env`),
    ...validateEnvFrom(container.envFrom, `${path}.envFrom`),
    ...validateMounts(container, `${path}.volumeMounts`, pod),
    ...validateDevices(container, `${path}.volumeDevices`, pod),
    ...oneOf(imagePullPolicy, `${path}.imagePullPolicy`, pullPolicies),
    ...validateContainerResources(container.resources, `${path}.resources`),
    ...validateResizePolicy(container.resizePolicy, `${path}.resizePolicy`, pod),
    ...validateContainerSecurity(container.securityContext, `${path}.securityContext`, pod),
  );
  return errors;
}

export function oneOf(value: string, path: string, allowed: readonly string[]): FieldError[] {
  if (value === '') return [required(path)];
  return allowed.includes(value) ? [] : [notSupported(path, value, allowed)];
}

function uniqueName(name = '', path: string, names: Set<string>): FieldError[] {
  if (names.has(name)) return [duplicate(`${path}.name`, name)];
  names.add(name);
  return [];
}

function validatePorts(ports: readonly ContainerPort[] = [], path: string): FieldError[] {
  const names = new Set<string>();
  return ports.flatMap(({ name = '', containerPort = 0, hostPort = 0, protocol }, i) => {
    const at = `${path}[${i}]`;
    const errors: FieldError[] = [];
    if (name !== '') {
      const bad = portNameErrors(name);
      for (const text of bad) errors.push(invalid(`${at}.name`, name, text));
      if (bad.length === 0 && names.has(name)) errors.push(duplicate(`${at}.name`, name));
      if (bad.length === 0) names.add(name);
    }
    if (containerPort === 0) errors.push(required(`${at}.containerPort`));
    else errors.push(...validatePortNumber(containerPort, `${at}.containerPort`));
    if (hostPort !== 0) errors.push(...validatePortNumber(hostPort, `${at}.hostPort`));
    return [...errors, ...validateProtocol(protocol, `${at}.protocol`)];
  });
}

function validateHostPorts(containers: readonly Container[], path: string): FieldError[] {
  const seen = new Set<string>();
  return containers.flatMap(({ ports = [] }, i) =>
    ports.flatMap(({ hostPort = 0, hostIP = '', protocol = '' }, j) => {
      if (hostPort === 0) return [];
      const key = `${protocol}/${hostIP}/${hostPort}`;
      if (seen.has(key)) return [duplicate(`${path}[${i}].ports[${j}].hostPort`, key)];
      seen.add(key);
      return [];
    }),
  );
}

function validateResizePolicy(
  policies: readonly ContainerResizePolicy[] = [],
  path: string,
  pod: PodContext,
): FieldError[] {
  const seen = new Set<string>();
  return policies.flatMap(({ resourceName = '', restartPolicy = '' }, i) => {
    const errors: FieldError[] = [];
    if (seen.has(resourceName)) errors.push(duplicate(`${path}[${i}]`, resourceName));
    seen.add(resourceName);
    errors.push(...oneOf(resourceName, path, ['cpu', 'memory']));
    errors.push(...oneOf(restartPolicy, path, ['NotRequired', 'RestartContainer']));
    if (pod.restartPolicy === 'Never' && restartPolicy !== 'NotRequired') {
      errors.push(invalid(path, restartPolicy, "must be 'NotRequired' when pod `restartPolicy` is 'Never'"));
    }
    return errors;
  });
}

function validateRestartRules(container: Container, path: string): FieldError[] {
  const { restartPolicy, restartPolicyRules: rules = [] } = container;
  const errors: FieldError[] = [];
  const policies = ['Always', 'Never', 'OnFailure'];
  if (restartPolicy === undefined) {
    if (rules.length > 0) {
      errors.push(required(`${path}.restartPolicy`, 'must specify restartPolicy when restart rules are used'));
    }
  } else if (!policies.includes(restartPolicy)) {
    errors.push(notSupported(`${path}.restartPolicy`, restartPolicy, policies));
  }
  if (rules.length > 20) errors.push(tooMany(`${path}.restartPolicyRules`, rules.length, 20));
  rules.forEach(({ action = '', exitCodes }, i) => {
    const at = `${path}.restartPolicyRules[${i}]`;
    if (!['Restart', 'RestartAllContainers'].includes(action)) {
      errors.push(notSupported(`${at}.action`, action, ['Restart', 'RestartAllContainers']));
    }
    if (!exitCodes) {
      errors.push(required(`${at}.exitCodes`, 'must be specified'));
      return;
    }
    const { operator = '', values = [] } = exitCodes;
    if (!['In', 'NotIn'].includes(operator)) {
      errors.push(notSupported(`${at}.exitCodes.operator`, operator, ['In', 'NotIn']));
    }
    if (values.length > 255) errors.push(tooMany(`${at}.exitCodes.values`, values.length, 255));
  });
  return errors;
}
