import { ensureObject, objectAt, objectsAt, setDefault, textAt } from '../json-object.ts';
import type { JsonObject } from '../object.ts';

/** Defaults of admission configuration and custom resource definitions, by `Kind.group`. */
export const extensionDefaults: Readonly<Record<string, (object: JsonObject) => void>> = {
  'MutatingWebhookConfiguration.admissionregistration.k8s.io'(object) {
    for (const webhook of objectsAt(object, 'webhooks')) {
      defaultWebhook(webhook);
      setDefault(webhook, 'reinvocationPolicy', 'Never');
    }
  },
  'ValidatingWebhookConfiguration.admissionregistration.k8s.io'(object) {
    for (const webhook of objectsAt(object, 'webhooks')) defaultWebhook(webhook);
  },
  'ValidatingAdmissionPolicy.admissionregistration.k8s.io': defaultPolicy,
  'MutatingAdmissionPolicy.admissionregistration.k8s.io': defaultPolicy,
  'ValidatingAdmissionPolicyBinding.admissionregistration.k8s.io': defaultPolicyBinding,
  'MutatingAdmissionPolicyBinding.admissionregistration.k8s.io': defaultPolicyBinding,
  'CustomResourceDefinition.apiextensions.k8s.io'(object) {
    const spec = ensureObject(object, 'spec');
    const names = ensureObject(spec, 'names');
    const kind = textAt(names, 'kind');
    if (kind !== '') {
      setDefault(names, 'singular', kind.toLowerCase());
      setDefault(names, 'listKind', `${kind}List`);
    }
    const conversion = ensureObject(spec, 'conversion');
    setDefault(conversion, 'strategy', 'None');
    const service = objectAt(objectAt(objectAt(conversion, 'webhook'), 'clientConfig'), 'service');
    if (service !== undefined) setDefault(service, 'port', 443);
    const status = ensureObject(object, 'status');
    if (!Array.isArray(status['storedVersions']) || status['storedVersions'].length === 0) {
      const stored = objectsAt(spec, 'versions').find((version) => version['storage'] === true);
      if (stored !== undefined) status['storedVersions'] = [textAt(stored, 'name')];
    }
  },
};

function defaultWebhook(webhook: JsonObject): void {
  setDefault(webhook, 'failurePolicy', 'Fail');
  setDefault(webhook, 'timeoutSeconds', 10);
  defaultMatch(webhook);
  for (const rule of objectsAt(webhook, 'rules')) setDefault(rule, 'scope', '*');
  const service = objectAt(objectAt(webhook, 'clientConfig'), 'service');
  if (service !== undefined) setDefault(service, 'port', 443);
}

function defaultPolicy(object: JsonObject): void {
  const spec = ensureObject(object, 'spec');
  setDefault(spec, 'failurePolicy', 'Fail');
  const constraints = objectAt(spec, 'matchConstraints');
  if (constraints !== undefined) defaultMatchResources(constraints);
}

function defaultPolicyBinding(object: JsonObject): void {
  const resources = objectAt(objectAt(object, 'spec'), 'matchResources');
  if (resources !== undefined) defaultMatchResources(resources);
}

function defaultMatchResources(resources: JsonObject): void {
  defaultMatch(resources);
  for (const list of ['resourceRules', 'excludeResourceRules']) {
    for (const rule of objectsAt(resources, list)) setDefault(rule, 'scope', '*');
  }
}

function defaultMatch(object: JsonObject): void {
  setDefault(object, 'matchPolicy', 'Equivalent');
  setDefault(object, 'namespaceSelector', {});
  setDefault(object, 'objectSelector', {});
}
