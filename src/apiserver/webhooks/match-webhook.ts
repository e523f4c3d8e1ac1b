import { notFound } from '../../api/errors.ts';
import type { RuleWithOperations } from '../../api/kubernetes/admissionregistration-v1.ts';
import type { Namespace } from '../../api/kubernetes/core-v1.ts';
import type { JsonKubeObject } from '../../api/object.ts';
import type { ResourceInfo } from '../../api/resource-info.ts';
import { scheme } from '../../api/scheme.ts';
import type { Labels } from '../../api/selectors.ts';
import type { ObjectSource } from '../../auth/object-source.ts';
import type { AdmissionAttributes } from '../admission/admission.ts';
import type { Webhook } from './webhook.ts';

/** Configuration of admission is never sent to webhooks: a wrong one could not be repaired any more. */
const exempt: ReadonlySet<string> = new Set([
  'validatingwebhookconfigurations',
  'mutatingwebhookconfigurations',
  'validatingadmissionpolicies',
  'validatingadmissionpolicybindings',
  'mutatingadmissionpolicies',
  'mutatingadmissionpolicybindings',
]);

export function isExempt({ resource }: AdmissionAttributes): boolean {
  return resource.group === 'admissionregistration.k8s.io' && exempt.has(resource.resource);
}

/**
 * The version of the resource in which a webhook is to see a request; `undefined` where it is not to see it.
 * @throws {ApiError} `NotFound` where its selector asks for a namespace that does not exist
 */
export function matchWebhook(
  webhook: Webhook,
  attributes: AdmissionAttributes,
  { objects }: { objects: ObjectSource },
): ResourceInfo | undefined {
  const version = matchRules(webhook, attributes);
  if (!version) return undefined;
  if (!matchObjects(webhook, attributes)) return undefined;
  return matchNamespace(webhook, attributes, objects) ? version : undefined;
}

function matchRules({ rules, equivalent }: Webhook, attributes: AdmissionAttributes): ResourceInfo | undefined {
  const requested = attributes.requested ?? attributes.resource;
  if (rules.some((rule) => matchRule(rule, attributes, requested))) return requested;
  if (!equivalent) return undefined;
  for (const other of equivalents(requested)) {
    if (rules.some((rule) => matchRule(rule, attributes, other))) return other;
  }
  return undefined;
}

/** Other group-versions in which the same objects are served. */
function equivalents(info: ResourceInfo): ResourceInfo[] {
  const storage = scheme.storage(info.group, info.resource);
  return scheme.resources.filter(
    (other) =>
      other !== info &&
      other.resource === info.resource &&
      other.verbs.includes('list') &&
      scheme.storage(other.group, other.resource) === storage,
  );
}

export function matchRule(
  rule: RuleWithOperations,
  { operation, subresource, namespace }: Pick<AdmissionAttributes, 'operation' | 'subresource' | 'namespace'>,
  { group, version, resource }: Pick<ResourceInfo, 'group' | 'version' | 'resource'>,
): boolean {
  const { apiGroups = [], apiVersions = [], operations = [], resources = [], scope = '*' } = rule;
  const has = (list: readonly string[], value: string) => list.includes('*') || list.includes(value);
  if (!has(operations, operation) || !has(apiGroups, group) || !has(apiVersions, version)) return false;
  // A namespace is no object of the namespace that it is.
  const namespaced = namespace !== '' && !(group === '' && resource === 'namespaces');
  if (scope === 'Namespaced' && !namespaced) return false;
  if (scope === 'Cluster' && namespaced) return false;
  return resources.some((pattern) => {
    const [name = '', sub = ''] = pattern.split('/');
    return (name === '*' || name === resource) && (sub === '*' || sub === subresource);
  });
}

function matchObjects({ objectSelector }: Webhook, { object, oldObject }: AdmissionAttributes): boolean {
  if (objectSelector.requirements.length === 0) return true;
  return [object, oldObject].some((each) => each !== undefined && objectSelector.matches(labelsOf(each)));
}

function matchNamespace(
  { namespaceSelector }: Webhook,
  attributes: AdmissionAttributes,
  objects: ObjectSource,
): boolean {
  if (namespaceSelector.requirements.length === 0) return true;
  const { resource, subresource, object, operation, namespace, name } = attributes;
  const isNamespace = resource.group === '' && resource.resource === 'namespaces';
  if (isNamespace && object && subresource === '' && (operation === 'CREATE' || operation === 'UPDATE')) {
    return namespaceSelector.matches(labelsOf(object));
  }
  const wanted = isNamespace ? name : namespace;
  if (wanted === '') return true; // selectors of namespaces say nothing about what is in none
  const found = objects.get<Namespace>('namespaces', { namespace: '', name: wanted });
  if (!found) throw notFound({ group: '', resource: 'namespaces' }, wanted);
  return namespaceSelector.matches(found.metadata?.labels ?? {});
}

function labelsOf({ metadata }: Readonly<JsonKubeObject>): Labels {
  return (metadata['labels'] ?? {}) as Labels; // decoded by its schema
}
