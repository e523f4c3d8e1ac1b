import { type FieldError, invalid, required } from '../field-error.ts';
import type { WebhookClientConfig } from '../kubernetes/admissionregistration-v1.ts';
import { dns1123SubdomainErrors, portNumberErrors } from './names.ts';

const form = 'desired format: https://host[/path]';

/** Where a webhook is: a Service or a URL. Source: k8s.io/apiserver `pkg/util/webhook/validation.go`. */
export function validateWebhookClientConfig(
  { service, url }: Readonly<WebhookClientConfig> = {},
  path: string,
): FieldError[] {
  if ((service === undefined) === (url === undefined)) {
    return [required(path, 'exactly one of url or service is required')];
  }
  if (url !== undefined) return validateUrl(url, `${path}.url`);
  const { name, namespace, path: target, port = 443 } = service ?? {};
  const errors: FieldError[] = [];
  if (!name) errors.push(required(`${path}.service.name`));
  if (!namespace) errors.push(required(`${path}.service.namespace`));
  for (const text of portNumberErrors(port)) {
    errors.push(invalid(`${path}.service.port`, port, `port is not valid: ${text}`));
  }
  if (target !== undefined) errors.push(...validatePath(target, `${path}.service.path`));
  return errors;
}

function validateUrl(url: string, path: string): FieldError[] {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    return [required(path, `url must be a valid URL; ${form}`)];
  }
  const errors: FieldError[] = [];
  if (parsed.protocol !== 'https:') {
    const scheme = parsed.protocol.slice(0, -1);
    errors.push(invalid(path, scheme, `'https' is the only allowed URL scheme; ${form}`));
  }
  if (parsed.hostname === '') errors.push(invalid(path, '', `host must be specified; ${form}`));
  if (parsed.username !== '' || parsed.password !== '') {
    errors.push(invalid(path, `${parsed.username}:${parsed.password}`, 'user information is not permitted in the URL'));
  }
  if (url.includes('#')) errors.push(invalid(path, parsed.hash.slice(1), 'fragments are not permitted in the URL'));
  if (url.includes('?')) {
    errors.push(invalid(path, parsed.search.slice(1), 'query parameters are not permitted in the URL'));
  }
  return errors;
}

function validatePath(target: string, path: string): FieldError[] {
  if (target === '' || target === '/') return [];
  if (target === '//') return [invalid(path, target, 'segment[0] may not be empty')];
  const errors = target.startsWith('/') ? [] : [invalid(path, target, "must start with a '/'")];
  // Cut as upstream cuts, which finds an empty segment where the first slash is missing.
  const segments = target.slice(1).replace(/\/$/, '').split('/');
  segments.forEach((segment, i) => {
    if (segment === '') errors.push(invalid(path, target, `segment[${i}] may not be empty`));
    else
      for (const text of dns1123SubdomainErrors(segment)) errors.push(invalid(path, target, `segment[${i}]: ${text}`));
  });
  return errors;
}
