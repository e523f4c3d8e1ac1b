import { type FieldError, invalid, required, tooLong } from '../field-error.ts';
import type { Secret } from '../kubernetes/core-v1.ts';
import { decodedBytes, maxDataBytes, validateImmutableData } from './config-map.ts';
import { configKeyErrors } from './names.ts';

export function validateSecret(secret: Readonly<Secret>): FieldError[] {
  const { data = {} } = secret;
  const errors: FieldError[] = [];
  let bytes = 0;
  for (const [key, value] of Object.entries(data)) {
    for (const text of configKeyErrors(key)) errors.push(invalid(`data[${key}]`, key, text));
    bytes += decodedBytes(String(value));
  }
  if (bytes > maxDataBytes) errors.push(tooLong('data', maxDataBytes));
  return [...errors, ...validateType(secret)];
}

export function validateSecretUpdate(now: Readonly<Secret>, old: Readonly<Secret>): FieldError[] {
  const errors = now.type === old.type ? [] : [invalid('type', now.type ?? '', 'field is immutable')];
  return [...errors, ...validateImmutableData(now, old, ['data']), ...validateSecret(now)];
}

/** Each type has keys that whoever uses it relies on. */
function validateType({ type = '', data = {}, metadata = {} }: Readonly<Secret>): FieldError[] {
  const needs = (...keys: string[]) => keys.filter((key) => !(key in data)).map((key) => required(`data[${key}]`));
  switch (type) {
    case 'kubernetes.io/service-account-token': {
      const name = 'kubernetes.io/service-account.name';
      return metadata.annotations?.[name] ? [] : [required(`metadata.annotations[${name}]`)];
    }
    case 'kubernetes.io/dockercfg':
      return validateJson(data, '.dockercfg');
    case 'kubernetes.io/dockerconfigjson':
      return validateJson(data, '.dockerconfigjson');
    case 'kubernetes.io/basic-auth':
      return 'username' in data || 'password' in data ? [] : needs('username', 'password');
    case 'kubernetes.io/ssh-auth':
      return data['ssh-privatekey'] ? [] : [required('data[ssh-privatekey]')];
    case 'kubernetes.io/tls':
      return needs('tls.crt', 'tls.key');
    default:
      return [];
  }
}

function validateJson(data: Readonly<Record<string, unknown>>, key: string): FieldError[] {
  const path = `data[${key}]`;
  const value = data[key];
  if (value === undefined) return [required(path)];
  const hidden = '<secret contents redacted>';
  const text = Buffer.from(String(value), 'base64').toString();
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && !Array.isArray(parsed)) return [];
    const what = Array.isArray(parsed) ? 'array' : typeof parsed === 'boolean' ? 'bool' : typeof parsed;
    return [invalid(path, hidden, `json: cannot unmarshal ${what} into Go value of type map[string]interface {}`)];
  } catch {
    // A secret's text must not reach an error, so the parser's own message stays here.
    const first = text.trimStart()[0];
    const why =
      first === undefined
        ? 'unexpected end of JSON input'
        : `invalid character '${first}' looking for beginning of value`;
    return [invalid(path, hidden, why)];
  }
}
