import { type FieldError, forbiddenField, invalid, required } from '../../field-error.ts';
import type { ResourceRequirements } from '../../kubernetes/core-v1.ts';
import { labelKeyErrors } from '../../label-name.ts';
import { compareQuantities, parseQuantity, quantityToMilli } from '../../quantity.ts';

const ofContainers = new Set(['cpu', 'memory', 'ephemeral-storage']);
const standard = new Set([
  ...ofContainers,
  'requests.cpu',
  'requests.memory',
  'requests.ephemeral-storage',
  'limits.cpu',
  'limits.memory',
  'limits.ephemeral-storage',
  'pods',
  'resourcequotas',
  'services',
  'replicationcontrollers',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'requests.storage',
  'storage',
  'services.nodeports',
  'services.loadbalancers',
]);

export function validateContainerResources(resources: ResourceRequirements | undefined, path: string): FieldError[] {
  if (!resources) return [];
  const limits = entriesOf(resources.limits);
  const requests = entriesOf(resources.requests);
  const errors: FieldError[] = [];
  for (const [name, text] of limits) {
    const at = `${path}.limits[${name}]`;
    errors.push(...validateContainerResourceName(name, at), ...validateResourceQuantity(name, text, at));
  }
  for (const [name, text] of requests) {
    const at = `${path}.requests[${name}]`;
    errors.push(...validateContainerResourceName(name, at), ...validateResourceQuantity(name, text, at));
    const limit = resources.limits?.[name];
    const overcommits = isNative(name) && !isHugePages(name);
    if (limit === undefined) {
      if (!overcommits) errors.push(required(`${path}.limits`, 'Limit must be set for non overcommitable resources'));
      continue;
    }
    const order = compareQuantities(parseQuantity(text), parseQuantity(String(limit)));
    if (order !== 0 && !overcommits) {
      errors.push(invalid(`${path}.requests`, text, `must be equal to ${name} limit of ${limit}`));
    } else if (order > 0) {
      errors.push(invalid(`${path}.requests`, text, `must be less than or equal to ${name} limit of ${limit}`));
    }
  }
  const names = [...limits, ...requests].map(([name]) => name);
  if (names.some(isHugePages) && !names.includes('cpu') && !names.includes('memory')) {
    errors.push(forbiddenField(path, 'HugePages require cpu or memory'));
  }
  return errors;
}

export function validateResourceQuantity(name: string, text: string, path: string): FieldError[] {
  const quantity = parseQuantity(text);
  const errors: FieldError[] = [];
  if (quantity.nano < 0n) errors.push(invalid(path, text, 'must be greater than or equal to 0'));
  const countable = name.includes('/') && !isNative(name);
  if ((countable || isHugePages(name)) && quantityToMilli(quantity) % 1000 !== 0) {
    errors.push(invalid(path, text, 'must be an integer'));
  }
  return errors;
}

/** A name of anything that can be counted: a standard one, or one with a domain. */
export function validateResourceName(name: string, path: string): FieldError[] {
  const errors = labelKeyErrors(name).map((text) => invalid(path, name, text));
  if (errors.length === 0 && !name.includes('/') && !standard.has(name) && !isHugePages(name)) {
    errors.push(invalid(path, name, 'must be a standard resource type or fully qualified'));
  }
  return errors;
}

function validateContainerResourceName(name: string, path: string): FieldError[] {
  const errors = validateResourceName(name, path);
  if (!name.includes('/')) {
    if (!ofContainers.has(name) && !isHugePages(name)) {
      errors.push(invalid(path, name, 'must be a standard resource for containers'));
    }
  } else if (!isNative(name) && (name.startsWith('requests.') || labelKeyErrors(`requests.${name}`).length > 0)) {
    errors.push(invalid(path, name, "doesn't follow extended resource name standard"));
  }
  return errors;
}

function isNative(name: string): boolean {
  return !name.includes('/') || name.includes('kubernetes.io/');
}

function isHugePages(name: string): boolean {
  return name.startsWith('hugepages-');
}

function entriesOf(list: Readonly<Record<string, unknown>> | undefined): [string, string][] {
  return Object.entries(list ?? {})
    .map(([name, quantity]): [string, string] => [name, String(quantity)])
    .sort(([a], [b]) => (a < b ? -1 : 1));
}
