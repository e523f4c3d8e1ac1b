import type { JsonObject, JsonValue } from './object.ts';

/** Sets a key that a client has chosen: one named `__proto__` is data like any other. */
export function setKey(object: JsonObject, key: string, value: JsonValue): void {
  if (key === '__proto__') {
    Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
  } else object[key] = value;
}
