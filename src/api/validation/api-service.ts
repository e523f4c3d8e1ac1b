import { type FieldError, invalid, required } from '../field-error.ts';
import type { APIService } from '../kubernetes/apiregistration-v1.ts';
import { dns1035LabelErrors, dns1123SubdomainErrors, portNumberErrors } from './names.ts';

/** Source: `kube-aggregator/pkg/apis/apiregistration/validation`. */
export function validateApiService({ metadata = {}, spec }: Readonly<APIService>): FieldError[] {
  const { group = '', version = '', service, caBundle = '', insecureSkipTLSVerify = false } = spec ?? {};
  const { groupPriorityMinimum = 0, versionPriority = 0 } = spec ?? {};
  const errors: FieldError[] = [];
  const name = `${version}.${group}`;
  if (metadata.name !== name) {
    const detail = `must be \`spec.version+"."+spec.group\`: ${JSON.stringify(name)}`;
    errors.push(invalid('metadata.name', metadata.name ?? '', detail));
  }
  if (group === '') {
    if (version !== 'v1') {
      errors.push(required('spec.group', 'only v1 may have an empty group and it better be legacy kube'));
    }
  } else for (const text of dns1123SubdomainErrors(group)) errors.push(invalid('spec.group', group, text));
  for (const text of dns1035LabelErrors(version)) errors.push(invalid('spec.version', version, text));
  if (groupPriorityMinimum <= 0 || groupPriorityMinimum > 20_000) {
    errors.push(invalid('spec.groupPriorityMinimum', groupPriorityMinimum, 'must be positive and less than 20000'));
  }
  if (versionPriority <= 0 || versionPriority > 1000) {
    errors.push(invalid('spec.versionPriority', versionPriority, 'must be positive and less than 1000'));
  }
  if (!service) {
    if (caBundle !== '') {
      const bytes = `${Buffer.from(caBundle, 'base64').length} bytes`;
      errors.push(invalid('spec.caBundle', bytes, 'local APIServices may not have a caBundle'));
    }
    if (insecureSkipTLSVerify) {
      errors.push(invalid('spec.insecureSkipTLSVerify', true, 'local APIServices may not have insecureSkipTLSVerify'));
    }
    return errors;
  }
  if (!service.namespace) errors.push(required('spec.service.namespace'));
  if (!service.name) errors.push(required('spec.service.name'));
  for (const text of portNumberErrors(service.port ?? 443)) {
    errors.push(invalid('spec.service.port', service.port ?? 443, `port is not valid: ${text}`));
  }
  if (insecureSkipTLSVerify && caBundle !== '') {
    errors.push(invalid('spec.insecureSkipTLSVerify', true, 'may not be true if caBundle is present'));
  }
  return errors;
}
