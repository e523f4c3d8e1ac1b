import type { Secret } from '../../api/kubernetes/core-v1.ts';
import { validateSecret, validateSecretUpdate } from '../../api/validation/secret.ts';
import { typedStrategy } from './typed-strategy.ts';

export const secretStrategy = typedStrategy<Secret>({
  prepareForCreate: mergeStringData,
  prepareForUpdate(secret, old) {
    mergeStringData(secret);
    if (!secret.type && old.type !== undefined) secret.type = old.type;
  },
  validate: validateSecret,
  validateUpdate: validateSecretUpdate,
});

/** `stringData` is a way to write `data`, and is never read. */
function mergeStringData(secret: Secret): void {
  const { stringData } = secret;
  if (!stringData) return;
  const data = { ...secret.data };
  for (const [key, value] of Object.entries(stringData)) data[key] = Buffer.from(value).toString('base64');
  secret.data = data;
  delete secret.stringData;
}
