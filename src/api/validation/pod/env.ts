import { type FieldError, invalid, required } from '../../field-error.ts';
import type { EnvFromSource, EnvVar, EnvVarSource } from '../../kubernetes/core-v1.ts';
import { configKeyErrors, dns1123LabelErrors, dns1123SubdomainErrors, envNameErrors } from '../names.ts';
import { envFieldPaths, validateFieldRef, validateResourceRef } from './field-refs.ts';
import { validateNoBacksteps } from './paths.ts';

export function validateEnv(variables: readonly EnvVar[] = [], path: string): FieldError[] {
  return variables.flatMap(({ name = '', value = '', valueFrom }, i) => {
    const at = `${path}[${i}]`;
    const errors: FieldError[] = [];
    if (name === '') errors.push(required(`${at}.name`));
    else for (const text of envNameErrors(name)) errors.push(invalid(`${at}.name`, name, text));
    if (valueFrom) errors.push(...validateValueFrom(valueFrom, { path: `${at}.valueFrom`, hasValue: value !== '' }));
    return errors;
  });
}

function validateValueFrom(
  source: EnvVarSource,
  { path, hasValue }: { path: string; hasValue: boolean },
): FieldError[] {
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef } = source;
  const errors: FieldError[] = [];
  if (fieldRef) errors.push(...validateFieldRef(fieldRef, `${path}.fieldRef`, envFieldPaths));
  if (resourceFieldRef)
    errors.push(...validateResourceRef(resourceFieldRef, `${path}.resourceFieldRef`, { inFile: false }));
  if (configMapKeyRef) errors.push(...validateKeyRef(configMapKeyRef, `${path}.configMapKeyRef`));
  if (secretKeyRef) errors.push(...validateKeyRef(secretKeyRef, `${path}.secretKeyRef`));
  if (fileKeyRef) {
    const { key = '', volumeName = '', path: file = '' } = fileKeyRef;
    const at = `${path}.fileKeyRef`;
    errors.push(...named({ text: key, path: `${at}.key`, check: envNameErrors }));
    errors.push(...named({ text: volumeName, path: `${at}.volumeName`, check: dns1123LabelErrors }));
    errors.push(...(file === '' ? [required(`${at}.path`)] : validateNoBacksteps(file, `${at}.path`)));
  }
  const count = [fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef].filter(Boolean).length;
  if (count === 0) {
    const names = '`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`';
    errors.push(invalid(path, '', `must specify one of: ${names}`));
  } else if (hasValue) errors.push(invalid(path, '', 'may not be specified when `value` is not empty'));
  else if (count > 1) errors.push(invalid(path, '', 'may not have more than one field specified at a time'));
  return errors;
}

function validateKeyRef({ name = '', key = '' }: { name?: string; key: string }, path: string): FieldError[] {
  return [
    ...dns1123SubdomainErrors(name).map((text) => invalid(`${path}.name`, name, text)),
    ...named({ text: key, path: `${path}.key`, check: configKeyErrors }),
  ];
}

export function validateEnvFrom(sources: readonly EnvFromSource[] = [], path: string): FieldError[] {
  return sources.flatMap(({ prefix = '', configMapRef, secretRef }, i) => {
    const at = `${path}[${i}]`;
    const errors: FieldError[] = [];
    for (const text of prefix === '' ? [] : envNameErrors(prefix)) errors.push(invalid(`${at}.prefix`, prefix, text));
    for (const [field, ref] of [
      ['configMapRef', configMapRef],
      ['secretRef', secretRef],
    ] as const) {
      if (ref)
        errors.push(...named({ text: ref.name ?? '', path: `${at}.${field}.name`, check: dns1123SubdomainErrors }));
    }
    if (!configMapRef && !secretRef)
      errors.push(invalid(path, '', 'must specify one of: `configMapRef` or `secretRef`'));
    if (configMapRef && secretRef)
      errors.push(invalid(path, '', 'may not have more than one field specified at a time'));
    return errors;
  });
}

function named({ text, path, check }: { text: string; path: string; check: (text: string) => string[] }): FieldError[] {
  return text === '' ? [required(path)] : check(text).map((error) => invalid(path, text, error));
}
