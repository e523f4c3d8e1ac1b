/**
 * The head of an unmasked, whole binary message, as servers send it.
 *
 *     byte 0      0x82: final, binary
 *     byte 1      the length; 126 or 127: it follows as uint16 or uint64
 *
 * Source: RFC 6455, section 5.2.
 */
export function encodeBinaryHead(length: number): Uint8Array {
  if (length < 126) return Uint8Array.of(0x82, length);
  if (length <= 0xffff) return Uint8Array.of(0x82, 126, length >> 8, length & 0xff);
  const head = Buffer.alloc(10);
  head[0] = 0x82;
  head[1] = 127;
  head.writeUIntBE(length, 4, 6);
  return head;
}
