import { ConfigError } from '../../lib/config-error.ts';
import { parseYaml } from '../../lib/yaml.ts';
import {
  type AuditPolicy,
  type AuditResources,
  type AuditRule,
  type AuditStage,
  auditLevels,
  auditStages,
} from './audit-policy.ts';

const apiVersion = 'audit.k8s.io/v1';

/** Reads `--audit-policy-file`. @throws {ConfigError} naming the field and what was expected */
export function parseAuditPolicy(yaml: string): AuditPolicy {
  let document: unknown;
  try {
    document = parseYaml(yaml);
  } catch (error) {
    throw new ConfigError(`--audit-policy-file: cannot be read as YAML: ${String(error)}`, { cause: error });
  }
  const policy = fields(document, 'the policy', [
    'apiVersion',
    'kind',
    'metadata',
    'rules',
    'omitStages',
    'omitManagedFields',
  ]);
  if (policy['apiVersion'] !== apiVersion) fail('apiVersion', `expected "${apiVersion}"`, policy['apiVersion']);
  if (policy['kind'] !== 'Policy') fail('kind', 'expected "Policy"', policy['kind']);
  const rules = list(policy['rules'], 'rules').map(parseRule);
  if (rules.length === 0) fail('rules', 'expected at least one rule', policy['rules']);
  return {
    rules,
    omitStages: stages(policy['omitStages'], 'omitStages'),
    omitManagedFields: flag(policy['omitManagedFields'], 'omitManagedFields') ?? false,
  };
}

const ruleFields = [
  'level',
  'users',
  'userGroups',
  'verbs',
  'resources',
  'namespaces',
  'nonResourceURLs',
  'omitStages',
  'omitManagedFields',
] as const;

function parseRule(value: unknown, index: number): AuditRule {
  const at = `rules[${index}]`;
  const rule = fields(value, at, ruleFields);
  const level = auditLevels.find((known) => known === rule['level']);
  if (level === undefined) return fail(`${at}.level`, `expected one of ${auditLevels.join(', ')}`, rule['level']);
  const resources = list(rule['resources'], `${at}.resources`).map((entry, position) =>
    parseResources(entry, `${at}.resources[${position}]`),
  );
  const namespaces = strings(rule['namespaces'], `${at}.namespaces`);
  const nonResourceURLs = strings(rule['nonResourceURLs'], `${at}.nonResourceURLs`);
  if (nonResourceURLs.length > 0 && (resources.length > 0 || namespaces.length > 0)) {
    const complaint = 'rules cannot apply to both regular resources and non-resource URLs';
    return fail(`${at}.nonResourceURLs`, complaint, nonResourceURLs);
  }
  for (const [position, url] of nonResourceURLs.entries()) {
    if (url === '*' || (url.startsWith('/') && !url.slice(0, -1).includes('*'))) continue;
    fail(
      `${at}.nonResourceURLs[${position}]`,
      'expected "*", or a path that begins with "/" with "*" only at its end',
      url,
    );
  }
  return {
    level,
    users: strings(rule['users'], `${at}.users`),
    userGroups: strings(rule['userGroups'], `${at}.userGroups`),
    verbs: strings(rule['verbs'], `${at}.verbs`),
    resources,
    namespaces,
    nonResourceURLs,
    omitStages: stages(rule['omitStages'], `${at}.omitStages`),
    omitManagedFields: flag(rule['omitManagedFields'], `${at}.omitManagedFields`),
  };
}

function parseResources(value: unknown, at: string): AuditResources {
  const entry = fields(value, at, ['group', 'resources', 'resourceNames']);
  const group = entry['group'] ?? '';
  if (typeof group !== 'string') return fail(`${at}.group`, 'expected a string', group);
  if (group.includes('/')) fail(`${at}.group`, 'expected a group without a version', group);
  const resources = strings(entry['resources'], `${at}.resources`);
  const resourceNames = strings(entry['resourceNames'], `${at}.resourceNames`);
  if (resourceNames.length > 0 && resources.length === 0) {
    fail(`${at}.resourceNames`, 'using resourceNames requires at least one resource', resourceNames);
  }
  return { group, resources, resourceNames };
}

/** The object's fields, unknown ones refused: a misspelt field would audit less than was meant. */
function fields(value: unknown, at: string, known: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return fail(at, 'expected an object', value);
  }
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    const path = at === 'the policy' ? unknown : `${at}.${unknown}`;
    throw new ConfigError(`--audit-policy-file: ${path}: unknown field, expected one of ${known.join(', ')}`);
  }
  return value as Record<string, unknown>; // a plain object, as just checked
}

function list(value: unknown, at: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value : fail(at, 'expected a list', value);
}

function strings(value: unknown, at: string): string[] {
  return list(value, at).map((entry, index) =>
    typeof entry === 'string' ? entry : fail(`${at}[${index}]`, 'expected a string', entry),
  );
}

function stages(value: unknown, at: string): AuditStage[] {
  return strings(value, at).map((entry, index) => {
    const stage = auditStages.find((known) => known === entry);
    return stage ?? fail(`${at}[${index}]`, `expected one of ${auditStages.join(', ')}`, entry);
  });
}

function flag(value: unknown, at: string): boolean | undefined {
  if (value === undefined || value === null) return undefined;
  return typeof value === 'boolean' ? value : fail(at, 'expected true or false', value);
}

function fail(at: string, expected: string, found: unknown): never {
  throw new ConfigError(`--audit-policy-file: ${at}: ${expected}, found ${JSON.stringify(found) ?? 'nothing'}`);
}
