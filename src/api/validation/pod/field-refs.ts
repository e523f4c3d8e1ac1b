import { type FieldError, invalid, notSupported, required } from '../../field-error.ts';
import type { ObjectFieldSelector, ResourceFieldSelector } from '../../kubernetes/core-v1.ts';
import { labelKeyErrors } from '../../label-name.ts';
import { canonicalQuantity } from '../../quantity.ts';

/** Fields of the pod that an environment variable may show. */
export const envFieldPaths = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
];
/** Fields of the pod that a file may show. */
export const fileFieldPaths = [
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
];

const known = new Set([
  ...envFieldPaths,
  ...fileFieldPaths,
  'spec.restartPolicy',
  'spec.schedulerName',
  'status.phase',
  'spec.host',
]);
const resources = ['cpu', 'memory', 'ephemeral-storage'];
const resourcePaths = [
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory',
];
const byteDivisors = ['1', '1k', '1M', '1G', '1T', '1P', '1E', '1Ki', '1Mi', '1Gi', '1Ti', '1Pi', '1Ei'];
const divisors: Readonly<Record<string, readonly string[]>> = { cpu: ['1m', '1'] };
const resourceTitles: Readonly<Record<string, string>> = { 'ephemeral-storage': 'local ephemeral storage' };

export function validateFieldRef(ref: ObjectFieldSelector, path: string, allowed: readonly string[]): FieldError[] {
  const { apiVersion = '', fieldPath = '' } = ref;
  if (apiVersion === '') return [required(`${path}.apiVersion`)];
  if (fieldPath === '') return [required(`${path}.fieldPath`)];
  const at = `${path}.fieldPath`;
  if (apiVersion !== 'v1')
    return [invalid(at, fieldPath, `error converting fieldPath: unsupported pod version: ${apiVersion}`)];
  const subscripted = /^(.*)\['(.*)'\]$/.exec(fieldPath);
  const whole = subscripted?.[1] ?? fieldPath;
  if (!known.has(whole) || (subscripted && !/^metadata\.(labels|annotations)$/.test(whole))) {
    if (subscripted && known.has(whole)) return [invalid(path, whole, 'does not support subscript')];
    return [invalid(at, fieldPath, `error converting fieldPath: field label not supported: ${whole}`)];
  }
  if (subscripted) {
    const key = subscripted[2] ?? '';
    const text = whole === 'metadata.annotations' ? key.toLowerCase() : key;
    return labelKeyErrors(text).map((error) => invalid(path, text, error));
  }
  return allowed.includes(fieldPath) ? [] : [notSupported(at, fieldPath, allowed)];
}

/** In a file the container must be named; an environment variable means its own. */
export function validateResourceRef(
  ref: ResourceFieldSelector,
  path: string,
  { inFile }: { inFile: boolean },
): FieldError[] {
  const { containerName = '', resource = '', divisor } = ref;
  const errors: FieldError[] = [];
  const hugePages = /^(?:limits|requests)\.hugepages-/.test(resource);
  if (inFile && containerName === '') errors.push(required(`${path}.containerName`));
  else if (resource === '') errors.push(required(`${path}.resource`));
  else if (!resourcePaths.includes(resource) && !hugePages) {
    errors.push(notSupported(`${path}.resource`, resource, resourcePaths));
  }
  const canonical = divisor === undefined ? '0' : canonicalQuantity(String(divisor));
  const name = hugePages ? 'hugepages' : (resource.split('.')[1] ?? '');
  if (canonical === '0' || (!hugePages && !resources.includes(name))) return errors;
  const allowed = divisors[name] ?? byteDivisors;
  if (!allowed.includes(canonical)) {
    const list = name === 'cpu' ? '1m and 1' : byteDivisors.join(', ');
    const detail = `only divisor's values ${list} are supported with the ${resourceTitles[name] ?? name} resource`;
    errors.push(invalid(`${path}.divisor`, resource, detail));
  }
  return errors;
}
