import { duplicate, type FieldError, forbiddenField, invalid, notSupported, required } from '../field-error.ts';
import type {
  MutatingWebhook,
  MutatingWebhookConfiguration,
  ValidatingWebhook,
  ValidatingWebhookConfiguration,
} from '../kubernetes/admissionregistration-v1.ts';
import { validateLabelSelector } from './labels.ts';
import { dns1123SubdomainErrors } from './names.ts';
import { validateWebhookClientConfig } from './webhook-client-config.ts';
import { validateWebhookRule } from './webhook-rule.ts';

const reviewVersions = ['v1', 'v1beta1'];
const maxMatchConditions = 64;

/** Source: kubernetes `pkg/apis/admissionregistration/validation`. */
export function validateWebhookConfiguration({
  webhooks = [],
}: Readonly<MutatingWebhookConfiguration | ValidatingWebhookConfiguration>): FieldError[] {
  const names = new Set<string>();
  return webhooks.flatMap((webhook, i) => {
    const path = `webhooks[${i}]`;
    const errors = validateWebhook(webhook, path);
    const { name } = webhook;
    if (names.has(name)) errors.push(duplicate(`${path}.name`, name));
    names.add(name);
    return errors;
  });
}

function validateWebhook(webhook: MutatingWebhook | ValidatingWebhook, path: string): FieldError[] {
  const { admissionReviewVersions = [], clientConfig, matchConditions = [], name, rules = [] } = webhook;
  const { timeoutSeconds, sideEffects } = webhook;
  const errors = [...validateName(name, `${path}.name`)];
  rules.forEach((rule, i) => {
    errors.push(...validateWebhookRule(rule, `${path}.rules[${i}]`));
  });
  errors.push(...oneOf(webhook.failurePolicy, `${path}.failurePolicy`, ['Fail', 'Ignore']));
  errors.push(...oneOf(webhook.matchPolicy, `${path}.matchPolicy`, ['Equivalent', 'Exact']));
  if (sideEffects === undefined) {
    errors.push(required(`${path}.sideEffects`, 'must specify one of None, NoneOnDryRun'));
  } else errors.push(...oneOf(sideEffects, `${path}.sideEffects`, ['None', 'NoneOnDryRun']));
  if ('reinvocationPolicy' in webhook) {
    errors.push(...oneOf(webhook.reinvocationPolicy, `${path}.reinvocationPolicy`, ['IfNeeded', 'Never']));
  }
  if (timeoutSeconds !== undefined && (timeoutSeconds < 1 || timeoutSeconds > 30)) {
    const detail = 'the timeout value must be between 1 and 30 seconds';
    errors.push(invalid(`${path}.timeoutSeconds`, timeoutSeconds, detail));
  }
  errors.push(...validateLabelSelector(webhook.namespaceSelector, `${path}.namespaceSelector`));
  errors.push(...validateLabelSelector(webhook.objectSelector, `${path}.objectSelector`));
  errors.push(...validateWebhookClientConfig(clientConfig, `${path}.clientConfig`));
  errors.push(...validateReviewVersions(admissionReviewVersions, `${path}.admissionReviewVersions`));
  if (matchConditions.length > 0) {
    const many = matchConditions.length > maxMatchConditions ? ` (and at most ${maxMatchConditions} may be given)` : '';
    const detail = `this server does not evaluate CEL, so that a webhook with match conditions would be called for other requests than meant${many}`;
    errors.push(forbiddenField(`${path}.matchConditions`, detail));
  }
  return errors;
}

function validateName(name: string, path: string): FieldError[] {
  if (!name) return [required(path)];
  const errors = dns1123SubdomainErrors(name);
  if (errors.length > 0) return errors.map((text) => invalid(path, name, text));
  if (name.split('.').length >= 3) return [];
  return [invalid(path, name, 'should be a domain with at least three segments separated by dots')];
}

function validateReviewVersions(versions: readonly string[], path: string): FieldError[] {
  const known = reviewVersions.join(', ');
  if (versions.length === 0) return [required(path, `must specify one of ${known}`)];
  const errors = versions.flatMap((version, i) =>
    versions.indexOf(version) < i ? [invalid(`${path}[${i}]`, version, 'duplicate version')] : [],
  );
  if (!versions.some((version) => reviewVersions.includes(version))) {
    errors.push(invalid(path, versions, `must include at least one of ${known}`));
  }
  return errors;
}

function oneOf(value: string | undefined, path: string, values: readonly string[]): FieldError[] {
  return value === undefined || values.includes(value) ? [] : [notSupported(path, value, values)];
}
