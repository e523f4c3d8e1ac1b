/**
 * Kubernetes quantities (`500m`, `1.5Gi`, `12e6`): exact decimal arithmetic and upstream's canonical text.
 * Source: `k8s.io/apimachinery/pkg/api/resource/quantity.go`.
 */
export type QuantityFormat = 'DecimalSI' | 'BinarySI' | 'DecimalExponent';

/** An exact amount: `nano` is the value times 10⁹, the finest that Kubernetes keeps. */
export interface Quantity {
  readonly nano: bigint;
  readonly format: QuantityFormat;
}

/** The text is no quantity; the message is upstream's. */
export class QuantityError extends Error {
  override readonly name = 'QuantityError';
}

const pattern = /^([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)$/;
const looseNumber = /^[+-]?[0-9.]+[eEinumkKMGTP]*[-+]?[0-9]*$/;
const decimalSuffixes: ReadonlyMap<string, number> = new Map([
  ['n', -9],
  ['u', -6],
  ['m', -3],
  ['', 0],
  ['k', 3],
  ['M', 6],
  ['G', 9],
  ['T', 12],
  ['P', 15],
  ['E', 18],
]);
const decimalNames = new Map([...decimalSuffixes].map(([suffix, exponent]) => [exponent, suffix]));
const binarySuffixes = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
const nanosPerUnit = 1_000_000_000n;
/** Larger values are capped, as upstream does. */
const maxNano = ((1n << 63n) - 1n) * nanosPerUnit;
/** Longer texts cannot be meant; bounds the arithmetic. */
const maxTextLength = 256;

/** @throws {QuantityError} */
export function parseQuantity(text: string): Quantity {
  const match = text.length <= maxTextLength ? pattern.exec(text) : null;
  if (match === null) {
    if (text.length <= maxTextLength && looseNumber.test(text))
      throw new QuantityError('unable to parse numeric part of quantity');
    throw new QuantityError(
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    );
  }
  const [, sign, whole = '', fraction = '', suffix = ''] = match;
  if (whole === '' && fraction === '') {
    throw new QuantityError(
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    );
  }
  const { format, base, exponent } = interpretSuffix(suffix);
  const digits = BigInt(whole + fraction);
  let nano: bigint;
  if (base === 2) {
    nano = divideUp((digits << BigInt(exponent)) * nanosPerUnit, 10n ** BigInt(fraction.length));
  } else {
    const scale = exponent - fraction.length + 9;
    if (scale >= 0) nano = scale > 64 && digits > 0n ? maxNano : digits * 10n ** BigInt(Math.min(scale, 64));
    else nano = scale < -maxTextLength ? (digits > 0n ? 1n : 0n) : divideUp(digits, 10n ** BigInt(-scale));
  }
  if (nano > maxNano) nano = maxNano;
  return { nano: sign === '-' ? -nano : nano, format };
}

/** The canonical text: no fraction, the largest suffix that keeps it so. Two equal quantities of one format have one text. */
export function formatQuantity({ nano, format }: Quantity): string {
  if (nano === 0n) return '0';
  if (format === 'BinarySI' && (nano <= -1024n * nanosPerUnit || nano >= 1024n * nanosPerUnit))
    return formatBinary(nano);
  let digits = nano;
  let exponent = -9;
  while (digits % 1000n === 0n && (exponent < 18 || format === 'DecimalExponent')) {
    digits /= 1000n;
    exponent += 3;
  }
  if (format === 'DecimalExponent') return exponent === 0 ? `${digits}` : `${digits}e${exponent}`;
  return `${digits}${decimalNames.get(exponent) ?? ''}`;
}

/** Negative, zero or positive, as `a` is less than, equal to or more than `b`. */
export function compareQuantities(a: Quantity, b: Quantity): number {
  return a.nano < b.nano ? -1 : a.nano > b.nano ? 1 : 0;
}

/** The sum; the format is that of `a` unless `a` is zero. */
export function addQuantities(a: Quantity, b: Quantity): Quantity {
  return { nano: a.nano + b.nano, format: a.nano === 0n ? b.format : a.format };
}

/** The difference; the format is that of `a` unless `a` is zero. */
export function subtractQuantities(a: Quantity, b: Quantity): Quantity {
  return { nano: a.nano - b.nano, format: a.nano === 0n ? b.format : a.format };
}

/** The nearest JavaScript number: exact for whole numbers up to 2⁵³. */
export function quantityToNumber({ nano }: Quantity): number {
  const whole = nano / nanosPerUnit;
  return Number(whole) + Number(nano - whole * nanosPerUnit) / 1e9;
}

/** Thousandths, rounded up away from zero, as upstream's `MilliValue`. */
export function quantityToMilli({ nano }: Quantity): number {
  return Number(divideUp(nano, 1_000_000n));
}

/** Rounded up to a whole number, as upstream's `Value`. */
export function quantityToInteger({ nano }: Quantity): bigint {
  return divideUp(nano, nanosPerUnit);
}

/** Rounded up to thousandths: what upstream's defaulting does to every resource list. */
export function roundUpToMilli({ nano, format }: Quantity): Quantity {
  return { nano: divideUp(nano, 1_000_000n) * 1_000_000n, format };
}

/** `parse`, round up to milli, `format`; a cheap answer for the texts that are canonical already. @throws {QuantityError} */
export function canonicalQuantity(text: string): string {
  if (plainCanonical.test(text)) return text;
  return formatQuantity(roundUpToMilli(parseQuantity(text)));
}

/** Up to three digits and no fraction: nothing shorter says the same, except a trailing `000`, which three digits cannot have. */
const plainCanonical = /^[1-9][0-9]{0,2}(?:[mkMGTP]|[KMGTP]i)?$/;

function interpretSuffix(suffix: string): { format: QuantityFormat; base: 2 | 10; exponent: number } {
  const decimal = decimalSuffixes.get(suffix);
  if (decimal !== undefined) return { format: 'DecimalSI', base: 10, exponent: decimal };
  const binary = binarySuffixes.indexOf(suffix);
  if (binary > 0) return { format: 'BinarySI', base: 2, exponent: binary * 10 };
  if (/^[eE][-+]?[0-9]+$/.test(suffix))
    return { format: 'DecimalExponent', base: 10, exponent: Number(suffix.slice(1)) };
  throw new QuantityError("unable to parse quantity's suffix");
}

function formatBinary(nano: bigint): string {
  let value = divideUp(nano, nanosPerUnit);
  let power = 0;
  while (value % 1024n === 0n && power < binarySuffixes.length - 1) {
    value /= 1024n;
    power++;
  }
  return `${value}${binarySuffixes[power]}`;
}

/** Division that rounds away from zero. */
function divideUp(value: bigint, divisor: bigint): bigint {
  const quotient = value / divisor;
  if (quotient * divisor === value) return quotient;
  return value < 0n ? quotient - 1n : quotient + 1n;
}
