import type { DecodeContext } from './decode-context.ts';
import { type Field, findModel, pointerScalars, zeroKept } from './model.ts';
import type { JsonObject, JsonValue } from './object.ts';
import { canonicalQuantity, formatQuantity, parseQuantity, QuantityError } from './quantity.ts';
import { setKey } from './set-key.ts';
import { formatMicroTime, formatTime, parseTimestamp, timestampError } from './timestamp.ts';

/** Reads one value of a known type; `undefined` means absent (or wrong, and then the context has the error). */
type Decode = (value: unknown, context: DecodeContext) => JsonValue | undefined;

interface Decoder {
  readonly decode: Decode;
  readonly goType: string;
  /** What a `null` list element or map value becomes: Go's zero. */
  readonly zero: () => JsonValue;
}

interface FieldDecoder {
  readonly decoder: Decoder;
  /** Zero, empty text, empty list and empty map are dropped, as `omitempty` would. */
  readonly omitEmpty: boolean;
}

const models = new Map<string, Decoder>();

/** The decoder of a model, built on first use. A model that has no fields is a scalar or free-form. */
export function decoderFor(name: string): Decoder {
  let decoder = models.get(name);
  if (decoder === undefined) {
    decoder = scalarDecoder(name) ?? structDecoder(name);
    models.set(name, decoder);
  }
  return decoder;
}

function structDecoder(name: string): Decoder {
  const short = name.slice(name.lastIndexOf('.') + 1);
  let fields: Map<string, FieldDecoder> | undefined;
  const decode: Decode = (value, context) => {
    if (!isJsonObject(value)) return context.wrongType(value, goTypeOf(name));
    fields ??= fieldDecoders(name);
    const outer = context.enterStruct(short);
    const result: JsonObject = {};
    for (const key in value) {
      const field = fields.get(key);
      if (field === undefined) {
        context.unknownField(key);
        continue;
      }
      const child = value[key];
      if (child === null || child === undefined) continue;
      context.enterField(key);
      const decoded = field.decoder.decode(child, context);
      context.leaveField();
      if (decoded === undefined || (field.omitEmpty && isEmpty(decoded))) continue;
      result[key] = decoded;
    }
    context.leaveStruct(outer);
    return result;
  };
  return { decode, goType: goTypeOf(name), zero: () => ({}) };
}

function fieldDecoders(name: string): Map<string, FieldDecoder> {
  const model = findModel(name);
  const pointers = pointerScalars(name);
  const kept = zeroKept(name);
  const decoders = new Map<string, FieldDecoder>();
  for (const [key, field] of Object.entries(model?.fields ?? {})) {
    // An empty object is a value of a struct or of free-form JSON; only lists, plain maps and scalars are omitted.
    const omitEmpty =
      field.ref === undefined && !pointers.has(key) && !kept.has(key) && !(model?.required?.includes(key) ?? false);
    decoders.set(key, { decoder: fieldDecoder(field), omitEmpty });
  }
  return decoders;
}

function fieldDecoder(field: Field): Decoder {
  if (field.ref !== undefined) return lazyModel(field.ref);
  if (field.list !== undefined) return listDecoder(fieldDecoder(field.list));
  if (field.map !== undefined) {
    // A map of quantities is a ResourceList, which upstream also rounds up to milli.
    const isResourceList = field.map.ref === 'io.k8s.apimachinery.pkg.api.resource.Quantity';
    return mapDecoder(isResourceList ? resourceQuantity : fieldDecoder(field.map));
  }
  switch (field.type) {
    case 'integer':
      return field.format === 'int32' ? int32 : int64;
    case 'number':
      return float64;
    case 'boolean':
      return bool;
    case 'string':
      return field.format === 'byte' ? bytes : string;
    default:
      return freeForm;
  }
}

/** Models refer to themselves (JSONSchemaProps), so a reference is followed when it is used. */
function lazyModel(name: string): Decoder {
  return {
    goType: goTypeOf(name),
    decode: (value, context) => decoderFor(name).decode(value, context),
    zero: () => decoderFor(name).zero(),
  };
}

function listDecoder(element: Decoder): Decoder {
  const goType = `[]${element.goType}`;
  return {
    goType,
    zero: () => [],
    decode(value, context) {
      if (!Array.isArray(value)) return context.wrongType(value, goType);
      const result: JsonValue[] = new Array(value.length);
      for (let index = 0; index < value.length; index++) {
        const child: unknown = value[index];
        if (child === null) {
          result[index] = element.zero();
          continue;
        }
        context.enterElement(index);
        result[index] = element.decode(child, context) ?? null;
        context.leaveElement();
      }
      return result;
    },
  };
}

function mapDecoder(element: Decoder): Decoder {
  const goType = `map[string]${element.goType}`;
  return {
    goType,
    zero: () => ({}),
    decode(value, context) {
      if (!isJsonObject(value)) return context.wrongType(value, goType);
      const result: JsonObject = {};
      for (const key of Object.keys(value)) {
        const child = value[key];
        if (child === null) {
          setKey(result, key, element.zero());
          continue;
        }
        context.enterKey(key);
        const decoded = element.decode(child, context);
        context.leaveElement();
        if (decoded !== undefined) setKey(result, key, decoded);
      }
      return result;
    },
  };
}

const string: Decoder = {
  goType: 'string',
  zero: () => '',
  decode: (value, context) => (typeof value === 'string' ? value : context.wrongType(value, 'string')),
};

const bool: Decoder = {
  goType: 'bool',
  zero: () => false,
  decode: (value, context) => (typeof value === 'boolean' ? value : context.wrongType(value, 'bool')),
};

const float64: Decoder = {
  goType: 'float64',
  zero: () => 0,
  decode: (value, context) => (typeof value === 'number' ? value : context.wrongType(value, 'float64')),
};

const int32 = integer('int32', 2 ** 31 - 1, -(2 ** 31));
const int64 = integer('int64', 2 ** 63, -(2 ** 63));

function integer(goType: string, max: number, min: number): Decoder {
  return {
    goType,
    zero: () => 0,
    decode(value, context) {
      if (typeof value !== 'number') return context.wrongType(value, goType);
      if (Number.isInteger(value) && value <= max && value >= min) return value;
      return context.wrongType(value, goType);
    },
  };
}

const base64 = /^[A-Za-z0-9+/]*={0,2}$/;

const bytes: Decoder = {
  goType: '[]uint8',
  zero: () => '',
  decode(value, context) {
    if (typeof value !== 'string') return context.wrongType(value, '[]uint8');
    // Go's decoder skips line breaks.
    const text = value.includes('\n') || value.includes('\r') ? value.replaceAll(/[\r\n]/g, '') : value;
    if (text.length % 4 === 0 && base64.test(text)) return text;
    const wrong = text.search(/[^A-Za-z0-9+/]/);
    return context.fail(`illegal base64 data at input byte ${wrong === -1 ? text.length - (text.length % 4) : wrong}`);
  },
};

const freeForm: Decoder = { goType: 'interface {}', zero: () => null, decode: (value) => value as JsonValue };

const resourceQuantity = quantity(canonicalQuantity);
const plainQuantity = quantity((text) => formatQuantity(parseQuantity(text)));

function quantity(normalize: (text: string) => string): Decoder {
  return {
    goType: 'resource.Quantity',
    zero: () => '0',
    decode(value, context) {
      if (typeof value !== 'string' && typeof value !== 'number') {
        return context.fail(
          "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        );
      }
      try {
        return normalize(String(value).trim());
      } catch (error) {
        if (error instanceof QuantityError) return context.fail(error.message);
        throw error;
      }
    },
  };
}

function time(layout: string, format: typeof formatTime): Decoder {
  return {
    goType: 'string',
    zero: () => null,
    decode(value, context) {
      if (typeof value !== 'string') return context.wrongType(value, 'string');
      const instant = parseTimestamp(value);
      return instant === undefined ? context.fail(timestampError(value, layout)) : format(instant);
    },
  };
}

const intOrString: Decoder = {
  goType: 'intstr.IntOrString',
  zero: () => 0,
  decode(value, context) {
    if (typeof value === 'string') return value;
    return int32.decode(value, context);
  },
};

const embedded: Decoder = {
  goType: 'runtime.RawExtension',
  zero: () => null,
  decode: (value) => value as JsonValue,
};

const scalars: Readonly<Record<string, Decoder>> = {
  'io.k8s.apimachinery.pkg.api.resource.Quantity': plainQuantity,
  'io.k8s.apimachinery.pkg.apis.meta.v1.Time': time('2006-01-02T15:04:05Z07:00', formatTime),
  'io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime': time('2006-01-02T15:04:05.000000Z07:00', formatMicroTime),
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': intOrString,
  'io.k8s.apimachinery.pkg.runtime.RawExtension': embedded,
};

function scalarDecoder(name: string): Decoder | undefined {
  const scalar = scalars[name];
  if (scalar !== undefined) return scalar;
  return findModel(name)?.fields === undefined ? { ...freeForm, goType: goTypeOf(name) } : undefined;
}

/** `v1.PodSpec`: the package and name Go would print. */
function goTypeOf(model: string): string {
  return model.split('.').slice(-2).join('.');
}

function isEmpty(value: JsonValue): boolean {
  if (value === '' || value === 0 || value === false) return true;
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return value.length === 0;
  for (const _ in value) return false;
  return true;
}

function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
