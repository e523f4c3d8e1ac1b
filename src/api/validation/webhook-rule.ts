import { type FieldError, invalid, notSupported, required } from '../field-error.ts';
import type { RuleWithOperations } from '../kubernetes/admissionregistration-v1.ts';

const operationNames = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];
const scopes = ['*', 'Cluster', 'Namespaced'];

/** Which requests a webhook is about. Source: kubernetes `pkg/apis/admissionregistration/validation`. */
export function validateWebhookRule(rule: Readonly<RuleWithOperations>, path: string): FieldError[] {
  const { apiGroups = [], apiVersions = [], operations = [], resources = [], scope } = rule;
  const errors: FieldError[] = [];
  if (operations.length === 0) errors.push(required(`${path}.operations`));
  if (operations.length > 1 && operations.includes('*')) {
    errors.push(invalid(`${path}.operations`, operations, "if '*' is present, must not specify other operations"));
  }
  operations.forEach((operation, i) => {
    if (operationNames.includes(operation)) return;
    errors.push(notSupported(`${path}.operations[${i}]`, operation, operationNames));
  });
  errors.push(...validateNames(apiGroups, `${path}.apiGroups`, { what: 'API groups', emptyAllowed: true }));
  errors.push(...validateNames(apiVersions, `${path}.apiVersions`, { what: 'API versions', emptyAllowed: false }));
  errors.push(...validateResources(resources, `${path}.resources`));
  if (scope !== undefined && !scopes.includes(scope)) errors.push(notSupported(`${path}.scope`, scope, scopes));
  return errors;
}

function validateNames(
  names: readonly string[],
  path: string,
  { what, emptyAllowed }: { what: string; emptyAllowed: boolean },
): FieldError[] {
  const errors: FieldError[] = [];
  if (names.length === 0) errors.push(required(path));
  if (names.length > 1 && names.includes('*')) {
    errors.push(invalid(path, names, `if '*' is present, must not specify other ${what}`));
  }
  if (!emptyAllowed)
    names.forEach((name, i) => {
      if (name === '') errors.push(required(`${path}[${i}]`));
    });
  return errors;
}

function validateResources(resources: readonly string[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (resources.length === 0) errors.push(required(path));
  const withAllSubresources = new Set<string>();
  const subresourcesOfAll = new Set<string>();
  resources.forEach((resource, i) => {
    const at = `${path}[${i}]`;
    if (resource === '') {
      errors.push(required(at));
      return;
    }
    if (resource === '*/*' && resources.length > 1) {
      errors.push(invalid(path, resources, "if '*/*' is present, must not specify other resources"));
    }
    const [name = '', subresource] = resource.split('/');
    if (subresource === '*') withAllSubresources.add(name);
    if (name === '*' && subresource !== undefined) subresourcesOfAll.add(subresource);
    if (subresource === undefined || subresource === '*') return;
    if (withAllSubresources.has(name)) {
      errors.push(invalid(at, resource, `if '${name}/*' is present, must not specify ${resource}`));
    }
    if (name !== '*' && subresourcesOfAll.has(subresource)) {
      errors.push(invalid(at, resource, `if '*/${subresource}' is present, must not specify ${resource}`));
    }
  });
  if (
    resources.length > 1 &&
    resources.includes('*') &&
    resources.some((resource) => !resource.includes('/') && resource !== '*')
  ) {
    errors.push(invalid(path, resources, "if '*' is present, must not specify other resources without subresources"));
  }
  return errors;
}
