import type { PolicyRule } from '../../api/kubernetes/rbac-v1.ts';

/** Whether whoever holds `owned` may already do everything that `rule` allows. */
export function coversRule(owned: readonly PolicyRule[], rule: PolicyRule): boolean {
  return breakdown(rule).every((part) => owned.some((own) => coversPart(own, part)));
}

/**
 * The parts of `rules` that `owned` does not cover, each with one verb and one resource or path, verbs of one thing joined again.
 * Source: k8s.io/component-helpers `auth/rbac/validation`, `Covers`.
 */
export function missingRules(owned: readonly PolicyRule[], rules: readonly PolicyRule[]): PolicyRule[] {
  const missing = rules.flatMap(breakdown).filter((part) => !owned.some((own) => coversPart(own, part)));
  const byTarget = new Map<string, PolicyRule>();
  for (const part of missing) {
    const { verbs, ...target } = part;
    const key = JSON.stringify(target);
    const known = byTarget.get(key);
    byTarget.set(key, known ? { ...known, verbs: [...new Set([...known.verbs, ...verbs])] } : part);
  }
  return [...byTarget.values()];
}

/** As upstream prints a rule in messages: `{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}`. */
export function formatRule({ apiGroups, resources, nonResourceURLs, resourceNames, verbs }: PolicyRule): string {
  const fields: Array<[string, readonly string[] | undefined]> = [
    ['APIGroups', apiGroups],
    ['Resources', resources],
    ['NonResourceURLs', nonResourceURLs],
    ['ResourceNames', resourceNames],
    ['Verbs', verbs],
  ];
  const parts = fields.flatMap(([name, values]) => (values?.length ? [`${name}:${formatList(values)}`] : []));
  return `{${parts.join(', ')}}`;
}

/** Go's `%q` of a list of strings: `["a" "b"]`. */
export function formatList(values: readonly string[]): string {
  return `[${values.map((value) => JSON.stringify(value)).join(' ')}]`;
}

/** One rule for each verb and each group, resource and name, or each path. */
function breakdown(rule: PolicyRule): PolicyRule[] {
  const { apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [], verbs } = rule;
  const names = resourceNames.length === 0 ? [undefined] : resourceNames;
  const parts: PolicyRule[] = [];
  for (const verb of verbs) {
    for (const group of apiGroups) {
      for (const resource of resources) {
        for (const name of names) {
          const target = {
            apiGroups: [group],
            resources: [resource],
            ...(name !== undefined && { resourceNames: [name] }),
          };
          parts.push({ ...target, verbs: [verb] });
        }
      }
    }
    for (const url of nonResourceURLs) parts.push({ nonResourceURLs: [url], verbs: [verb] });
  }
  return parts;
}

function coversPart(own: PolicyRule, part: PolicyRule): boolean {
  const [verb = ''] = part.verbs;
  if (!own.verbs.includes('*') && !own.verbs.includes(verb)) return false;
  const url = part.nonResourceURLs?.[0];
  if (url !== undefined) return own.nonResourceURLs?.some((pattern) => coversUrl(pattern, url)) === true;
  const [group = ''] = part.apiGroups ?? [];
  const [resource = ''] = part.resources ?? [];
  const name = part.resourceNames?.[0];
  const { apiGroups = [], resources = [], resourceNames = [] } = own;
  if (!apiGroups.includes('*') && !apiGroups.includes(group)) return false;
  if (!resources.some((pattern) => coversResource(pattern, resource))) return false;
  return resourceNames.length === 0 || (name !== undefined && resourceNames.includes(name));
}

/** `*` covers all, and `*` before a slash that subresource of anything. */
function coversResource(pattern: string, resource: string): boolean {
  if (pattern === '*' || pattern === resource) return true;
  const slash = resource.indexOf('/');
  return slash >= 0 && pattern === `*${resource.slice(slash)}`;
}

function coversUrl(pattern: string, url: string): boolean {
  return pattern === '*' || pattern === url || (pattern.endsWith('*') && url.startsWith(pattern.slice(0, -1)));
}
