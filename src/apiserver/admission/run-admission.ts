import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';

/** Lets every plugin change the object, one after the other, and once more when one of them asks for it. @throws {ApiError} the first refusal */
export async function admitAll(plugins: readonly AdmissionPlugin[], attributes: AdmissionAttributes): Promise<void> {
  if (await admitRound(plugins, attributes)) await admitRound(plugins, attributes);
}

/** Whether a plugin asks for another round. */
async function admitRound(plugins: readonly AdmissionPlugin[], attributes: AdmissionAttributes): Promise<boolean> {
  let again = false;
  for (const plugin of plugins) {
    // Most plugins look at other resources and return at once: nothing is awaited for them.
    const pending = plugin.admit?.(attributes);
    if (pending && (await pending) === 'reinvoke') again = true;
  }
  return again;
}

/** Asks every plugin about the finished object. @throws {ApiError} the first refusal */
export async function validateAll(plugins: readonly AdmissionPlugin[], attributes: AdmissionAttributes): Promise<void> {
  for (const plugin of plugins) {
    const pending = plugin.validate?.(attributes);
    if (pending) await pending;
  }
}

/** Both phases in a row, for operations that nothing else stands between: DELETE and CONNECT. */
export async function runAdmission(
  plugins: readonly AdmissionPlugin[],
  attributes: AdmissionAttributes,
): Promise<void> {
  await admitAll(plugins, attributes);
  await validateAll(plugins, attributes);
}
