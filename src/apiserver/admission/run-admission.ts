import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';

/** Lets every plugin change the object, one after the other. @throws {ApiError} the first refusal */
export async function admitAll(plugins: readonly AdmissionPlugin[], attributes: AdmissionAttributes): Promise<void> {
  for (const plugin of plugins) {
    // Most plugins look at other resources and return at once: nothing is awaited for them.
    const pending = plugin.admit?.(attributes);
    if (pending) await pending;
  }
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
