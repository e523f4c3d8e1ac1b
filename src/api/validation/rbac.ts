import { isDeepStrictEqual } from 'node:util';
import { type FieldError, invalid, notSupported, required } from '../field-error.ts';
import type { ClusterRole, PolicyRule, Role, RoleBinding, RoleRef, Subject } from '../kubernetes/rbac-v1.ts';
import { validateLabelSelector } from './labels.ts';
import { dns1123SubdomainErrors, pathSegmentErrors } from './names.ts';

const group = 'rbac.authorization.k8s.io';

export function validateRole({ rules = [] }: Readonly<Role>): FieldError[] {
  return rules.flatMap((rule, i) => validateRule(rule, `rules[${i}]`, { namespaced: true }));
}

export function validateClusterRole({ rules, aggregationRule }: Readonly<ClusterRole>): FieldError[] {
  const errors = (rules ?? []).flatMap((rule, i) => validateRule(rule, `rules[${i}]`, { namespaced: false }));
  if (!aggregationRule) return errors;
  const path = 'aggregationRule.clusterRoleSelectors';
  const selectors = aggregationRule.clusterRoleSelectors ?? [];
  if (selectors.length === 0) {
    errors.push(required(path, 'at least one clusterRoleSelector required if aggregationRule is non-nil'));
  }
  return [...errors, ...selectors.flatMap((selector, i) => validateLabelSelector(selector, `${path}[${i}]`))];
}

function validateRule(rule: PolicyRule, path: string, { namespaced }: { namespaced: boolean }): FieldError[] {
  const { verbs = [], nonResourceURLs: urls = [], apiGroups = [], resources = [], resourceNames = [] } = rule;
  const errors = verbs.length > 0 ? [] : [required(`${path}.verbs`, 'verbs must contain at least one value')];
  if (urls.length > 0) {
    const at = `${path}.nonResourceURLs`;
    if (namespaced) errors.push(invalid(at, urls, 'namespaced rules cannot apply to non-resource URLs'));
    if (apiGroups.length + resources.length + resourceNames.length > 0) {
      errors.push(invalid(at, urls, 'rules cannot apply to both regular resources and non-resource URLs'));
    }
    return errors;
  }
  if (apiGroups.length === 0) {
    errors.push(required(`${path}.apiGroups`, 'resource rules must supply at least one api group'));
  }
  if (resources.length === 0) {
    errors.push(required(`${path}.resources`, 'resource rules must supply at least one resource'));
  }
  return errors;
}

/** A binding of either kind: only one in a namespace can be to a Role, and speak of ServiceAccounts without a namespace. */
export function validateBinding(
  { roleRef, subjects = [] }: Readonly<RoleBinding>,
  { namespaced }: { namespaced: boolean },
): FieldError[] {
  return [
    ...validateRoleRef(roleRef, namespaced ? ['Role', 'ClusterRole'] : ['ClusterRole']),
    ...subjects.flatMap((subject, i) => validateSubject(subject, `subjects[${i}]`, namespaced)),
  ];
}

export function validateBindingUpdate(
  now: Readonly<RoleBinding>,
  old: Readonly<RoleBinding>,
  scope: { namespaced: boolean },
): FieldError[] {
  const errors = validateBinding(now, scope);
  if (isDeepStrictEqual(now.roleRef, old.roleRef)) return errors;
  const { apiGroup, kind, name } = now.roleRef;
  return [...errors, invalid('roleRef', { APIGroup: apiGroup, Kind: kind, Name: name }, 'cannot change roleRef')];
}

function validateRoleRef(ref: RoleRef | undefined, kinds: readonly string[]): FieldError[] {
  const { apiGroup = '', kind = '', name = '' } = ref ?? {};
  const errors: FieldError[] = [];
  if (apiGroup !== group) errors.push(notSupported('roleRef.apiGroup', apiGroup, [group]));
  if (!kinds.includes(kind)) errors.push(notSupported('roleRef.kind', kind, kinds));
  if (name === '') errors.push(required('roleRef.name'));
  for (const text of pathSegmentErrors(name)) errors.push(invalid('roleRef.name', name, text));
  return errors;
}

function validateSubject(
  { kind = '', apiGroup = '', name = '', namespace = '' }: Subject,
  path: string,
  namespaced: boolean,
): FieldError[] {
  const errors = name === '' ? [required(`${path}.name`)] : [];
  switch (kind) {
    case 'ServiceAccount':
      for (const text of name === '' ? [] : dns1123SubdomainErrors(name))
        errors.push(invalid(`${path}.name`, name, text));
      if (apiGroup !== '') errors.push(notSupported(`${path}.apiGroup`, apiGroup, ['']));
      if (!namespaced && namespace === '') errors.push(required(`${path}.namespace`));
      return errors;
    case 'User':
    case 'Group':
      if (apiGroup !== group) errors.push(notSupported(`${path}.apiGroup`, apiGroup, [group]));
      return errors;
    default:
      return [...errors, notSupported(`${path}.kind`, kind, ['ServiceAccount', 'User', 'Group'])];
  }
}
