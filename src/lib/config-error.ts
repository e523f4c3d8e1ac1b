/** The operator gave something that cannot work: the message names the field or flag and what was expected. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}
