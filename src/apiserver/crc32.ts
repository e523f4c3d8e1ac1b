/**
 * The CRC-32 of two byte strings joined, from the CRC-32 of each: `combine(crc(a), crc(b), shiftFor(b.length))`.
 * Source: zlib's `crc32_combine_gen` and `crc32_combine_op`.
 */
export function combineCrc(first: number, second: number, shift: number): number {
  return (multiply(shift, first) ^ second) >>> 0;
}

/** What appending `length` bytes does to a CRC, as a polynomial: the same for all strings of one length. */
export function shiftFor(length: number): number {
  let power = 3; // x^(2^3): one byte
  let shift = 0x80000000;
  for (let rest = length; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) shift = multiply(powers[power & 31] as number, shift);
    power++;
  }
  return shift;
}

const polynomial = 0xedb88320;

/** a(x) · b(x) modulo the polynomial, with reflected bits. */
function multiply(a: number, b: number): number {
  let product = 0;
  let factor = b;
  for (let mask = 0x80000000; mask !== 0; mask >>>= 1) {
    if ((a & mask) !== 0) product ^= factor;
    factor = (factor & 1) === 1 ? (factor >>> 1) ^ polynomial : factor >>> 1;
  }
  return product >>> 0;
}

/** x^(2^n) modulo the polynomial, for n from 0 to 31. */
const powers: readonly number[] = (() => {
  const list = [0x40000000];
  for (let n = 1; n < 32; n++) list.push(multiply(list[n - 1] as number, list[n - 1] as number));
  return list;
})();
