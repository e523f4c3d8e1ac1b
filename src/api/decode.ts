import { DecodeContext } from './decode-context.ts';
import { decoderFor } from './decode-value.ts';
import { badRequest } from './errors.ts';
import {
  formatApiVersion,
  type GroupVersionKind,
  type JsonKubeObject,
  type JsonObject,
  type JsonValue,
} from './object.ts';
import { scheme } from './scheme.ts';

export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

export interface DecodeOptions {
  /** What the URL says the body is; a body that does not name its kind is taken for it. */
  readonly gvk: GroupVersionKind;
  readonly fieldValidation: FieldValidation;
  /** Paths of keys that the body holds twice, from `parseJson`. */
  readonly duplicates?: readonly string[];
}

export interface Decoded {
  readonly object: JsonKubeObject;
  /** `unknown field "spec.foo"` and the like, for `Warning` headers. Empty unless `Warn`. */
  readonly warnings: string[];
}

/**
 * Turns a parsed body into an object of its kind: types checked, unknown fields dropped, quantities and times in their written form,
 * values that Go would omit left out. The result shares nothing with `value` but free-form parts.
 * @throws {ApiError} BadRequest in upstream's words
 */
export function decodeObject(value: unknown, { gvk, fieldValidation, duplicates = [] }: DecodeOptions): Decoded {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw unrecognized(value, gvk);
  checkKind(value, gvk);
  const model = scheme.modelFor(gvk);
  if (model === undefined) throw cannotHandle(gvk, `no kind "${gvk.kind}" is registered for version "${gvk.version}"`);

  const { decoded, unknown } = decodeModel(value, { model, gvk, collectUnknown: fieldValidation !== 'Ignore' });
  const complaints = [...unknown, ...duplicates.map((path) => `duplicate field "${path}"`)];
  if (fieldValidation === 'Strict' && complaints.length > 0) {
    throw cannotHandle(gvk, `strict decoding error: ${complaints.join(', ')}`);
  }
  const { kind: _kind, apiVersion: _apiVersion, metadata, ...rest } = decoded;
  return {
    object: {
      kind: gvk.kind,
      apiVersion: formatApiVersion(gvk.group, gvk.version),
      // The model makes metadata an object wherever a kind has it.
      metadata: (metadata ?? {}) as JsonObject,
      ...rest,
    },
    warnings: fieldValidation === 'Warn' ? complaints : [],
  };
}

/** `Pod in version "v1" cannot be handled as a Pod: <why>`. */
export function cannotHandle({ version, kind }: GroupVersionKind, why: string, options?: ErrorOptions): Error {
  return badRequest(`${kind} in version "${version}" cannot be handled as a ${kind}: ${why}`, options);
}

interface ModelDecoding {
  readonly model: string;
  readonly gvk: GroupVersionKind;
  readonly collectUnknown: boolean;
}

function decodeModel(
  value: object,
  { model, gvk, collectUnknown }: ModelDecoding,
): { decoded: JsonObject; unknown: readonly string[] } {
  const context = new DecodeContext({ collectUnknown });
  let decoded: JsonValue | undefined;
  try {
    decoded = decoderFor(model).decode(value, context);
  } catch (error) {
    if (error instanceof RangeError) throw cannotHandle(gvk, 'exceeded max depth', { cause: error });
    throw error;
  }
  if (context.error !== undefined) throw cannotHandle(gvk, context.error);
  // A struct's decoder gives an object unless it has complained.
  return { decoded: decoded as JsonObject, unknown: context.unknown ?? [] };
}

/** The body may leave out what it is, but must not be something else. */
function checkKind(value: object, gvk: GroupVersionKind): void {
  const { apiVersion, kind } = value as { apiVersion?: unknown; kind?: unknown };
  const expected = formatApiVersion(gvk.group, gvk.version);
  const anyVersion = gvk.kind === 'DeleteOptions';
  if (typeof apiVersion === 'string' && apiVersion !== '' && apiVersion !== expected && !anyVersion) {
    throw badRequest(
      `the API version in the data (${apiVersion}) does not match the expected API version (${expected})`,
    );
  }
  if (typeof kind === 'string' && kind !== '' && kind !== gvk.kind) {
    throw badRequest(
      `${kind} in version "${gvk.version}" cannot be handled as a ${gvk.kind}: no kind "${kind}" is registered for version "${expected}" that can be converted to ${gvk.kind}`,
    );
  }
}

function unrecognized(value: unknown, { kind }: GroupVersionKind): Error {
  const type = Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value;
  const why = `couldn't get version/kind; json parse error: json: cannot unmarshal ${type} into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }`;
  return badRequest(`the object provided is unrecognized (must be of type ${kind}): ${why}`);
}
