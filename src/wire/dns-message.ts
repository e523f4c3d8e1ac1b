import { ProtocolError } from '../lib/protocol-error.ts';

/** Record types that are known by name here; any other number passes through. */
export const dnsTypes = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  ANY: 255,
} as const;
export const dnsCodes = {
  noError: 0,
  formatError: 1,
  serverFailure: 2,
  nameError: 3,
  notImplemented: 4,
  refused: 5,
} as const;

export interface DnsQuestion {
  /** Lower case, without the last dot: `kubernetes.default.svc.cluster.local`. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
}

/** What a client asks. */
export interface DnsQuery {
  readonly id: number;
  readonly opcode: number;
  readonly recursionDesired: boolean;
  readonly question: DnsQuestion;
  /** The bytes of the question, as they were: clients compare them, upper and lower case included. */
  readonly questionBytes: Uint8Array;
  /** The largest answer that the client takes over UDP; absent: it speaks no EDNS, and takes 512 bytes. */
  readonly udpPayload: number | undefined;
}

export type DnsRecord = { readonly name: string; readonly ttl: number } & (
  | { readonly type: 'A' | 'AAAA'; readonly address: string }
  | { readonly type: 'CNAME' | 'PTR' | 'NS'; readonly target: string }
  | { readonly type: 'TXT'; readonly text: string }
  | {
      readonly type: 'SRV';
      readonly priority: number;
      readonly weight: number;
      readonly port: number;
      readonly target: string;
    }
  | {
      readonly type: 'SOA';
      readonly primary: string;
      readonly mailbox: string;
      readonly serial: number;
      readonly minimum: number;
    }
);

export interface DnsAnswer {
  readonly code: number;
  readonly authoritative: boolean;
  readonly answers: readonly DnsRecord[];
  readonly authority?: readonly DnsRecord[];
  readonly additional?: readonly DnsRecord[];
}

const headerBytes = 12;
const maxNameBytes = 255;
const maxJumps = 32;

/** Reads a query with one question. @throws {ProtocolError} if it is something else */
export function decodeDnsQuery(message: Uint8Array): DnsQuery {
  const view = viewOf(message);
  if (message.length < headerBytes) throw new ProtocolError('DNS message is shorter than its header');
  const flags = view.getUint16(2);
  if (flags & 0x8000) throw new ProtocolError('DNS message is an answer');
  if (view.getUint16(4) !== 1) throw new ProtocolError(`DNS query has ${view.getUint16(4)} questions`);
  const { name, end } = decodeName(message, headerBytes);
  if (end + 4 > message.length) throw new ProtocolError('DNS question is cut');
  const question = { name, type: view.getUint16(end), class: view.getUint16(end + 2) };
  return {
    id: view.getUint16(0),
    opcode: (flags >> 11) & 15,
    recursionDesired: (flags & 0x0100) !== 0,
    question,
    questionBytes: message.subarray(headerBytes, end + 4),
    udpPayload: readPayloadSize(message, view, end + 4),
  };
}

/** The answer to `query`; longer than `maxBytes` it is empty and says so (TC), so that the client asks again over TCP. */
export function encodeDnsAnswer(query: DnsQuery, answer: DnsAnswer, { maxBytes }: { maxBytes: number }): Uint8Array {
  const { answers, authority = [], additional = [] } = answer;
  const encode = (record: DnsRecord) => encodeRecord(record, query.question.name);
  const parts = [answers.map(encode), authority.map(encode), additional.map(encode)] as const;
  const option = query.udpPayload === undefined ? [] : [encodeOption()];
  const size = [...parts.flat(), ...option].reduce(
    (sum, part) => sum + part.length,
    headerBytes + query.questionBytes.length,
  );
  const cut = size > maxBytes;
  const [inAnswer, inAuthority, inAdditional] = cut ? [[], [], []] : parts;
  const header = Buffer.alloc(headerBytes);
  header.writeUInt16BE(query.id, 0);
  const flags =
    0x8000 | // An answer.
    (query.opcode << 11) |
    (answer.authoritative ? 0x0400 : 0) |
    (cut ? 0x0200 : 0) |
    (query.recursionDesired ? 0x0100 : 0) |
    0x0080 | // Recursion is available: what is not ours is forwarded.
    answer.code;
  header.writeUInt16BE(flags, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(inAnswer.length, 6);
  header.writeUInt16BE(inAuthority.length, 8);
  header.writeUInt16BE(inAdditional.length + option.length, 10);
  return Buffer.concat([header, query.questionBytes, ...inAnswer, ...inAuthority, ...inAdditional, ...option]);
}

/** A query of our own. */
export function encodeDnsQuery(id: number, { name, type, class: of }: DnsQuestion): Uint8Array {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(0x0100, 2);
  header.writeUInt16BE(1, 4);
  const tail = Buffer.alloc(4);
  tail.writeUInt16BE(type, 0);
  tail.writeUInt16BE(of, 2);
  return Buffer.concat([header, encodeName(name), tail]);
}

/** The addresses and aliases in an answer's first section; other records are left out. @throws {ProtocolError} */
export function decodeDnsAddresses(message: Uint8Array): DnsRecord[] {
  const view = viewOf(message);
  if (message.length < headerBytes) throw new ProtocolError('DNS message is shorter than its header');
  let offset = headerBytes;
  for (let left = view.getUint16(4); left > 0; left--) offset = decodeName(message, offset).end + 4;
  const records: DnsRecord[] = [];
  for (let left = view.getUint16(6); left > 0; left--) {
    const { name, end } = decodeName(message, offset);
    if (end + 10 > message.length) throw new ProtocolError('DNS record is cut');
    const type = view.getUint16(end);
    const ttl = view.getUint32(end + 4);
    const data = end + 10;
    offset = data + view.getUint16(end + 8);
    if (offset > message.length) throw new ProtocolError('DNS record is cut');
    const bytes = message.subarray(data, offset);
    if (type === dnsTypes.A && bytes.length === 4) records.push({ type: 'A', name, ttl, address: bytes.join('.') });
    else if (type === dnsTypes.AAAA && bytes.length === 16)
      records.push({ type: 'AAAA', name, ttl, address: formatIpv6(bytes) });
    else if (type === dnsTypes.CNAME)
      records.push({ type: 'CNAME', name, ttl, target: decodeName(message, data).name });
  }
  return records;
}

/** Follows compression pointers, which must point backwards. */
function decodeName(message: Uint8Array, start: number): { name: string; end: number } {
  const labels: string[] = [];
  let offset = start;
  let end: number | undefined;
  let bytes = 0;
  for (let jumps = 0; jumps <= maxJumps; ) {
    const length = message[offset];
    if (length === undefined) throw new ProtocolError('DNS name is cut');
    if (length === 0) return { name: labels.join('.').toLowerCase(), end: end ?? offset + 1 };
    if (length >= 0xc0) {
      const target = ((length & 0x3f) << 8) | (message[offset + 1] ?? 0);
      end ??= offset + 2;
      if (target >= offset) throw new ProtocolError('DNS name points forwards');
      offset = target;
      jumps++;
      continue;
    }
    if (length > 63) throw new ProtocolError('DNS label has an unknown kind');
    bytes += length + 1;
    const label = message.subarray(offset + 1, offset + 1 + length);
    if (bytes > maxNameBytes || label.length < length) throw new ProtocolError('DNS name is too long or cut');
    labels.push(Buffer.from(label).toString('latin1'));
    offset += length + 1;
  }
  throw new ProtocolError('DNS name has too many pointers');
}

function encodeName(name: string): Buffer {
  const labels = name === '' ? [] : name.split('.');
  const parts = labels.map((label) => {
    const bytes = Buffer.from(label, 'latin1');
    if (bytes.length === 0 || bytes.length > 63) throw new ProtocolError(`DNS label "${label}" has a wrong length`);
    return Buffer.concat([Buffer.of(bytes.length), bytes]);
  });
  return Buffer.concat([...parts, Buffer.of(0)]);
}

function encodeRecord(record: DnsRecord, questionName: string): Buffer {
  // The name asked for stands right behind the header: most records point there.
  const name = record.name === questionName ? Buffer.of(0xc0, headerBytes) : encodeName(record.name);
  const data = encodeData(record);
  const head = Buffer.alloc(10);
  head.writeUInt16BE(dnsTypes[record.type], 0);
  head.writeUInt16BE(1, 2);
  head.writeUInt32BE(record.ttl, 4);
  head.writeUInt16BE(data.length, 8);
  return Buffer.concat([name, head, data]);
}

function encodeData(record: DnsRecord): Buffer {
  switch (record.type) {
    case 'A':
      return Buffer.from(record.address.split('.').map(Number));
    case 'AAAA':
      return parseIpv6(record.address);
    case 'CNAME':
    case 'PTR':
    case 'NS':
      return encodeName(record.target);
    case 'TXT': {
      const text = Buffer.from(record.text).subarray(0, 255);
      return Buffer.concat([Buffer.of(text.length), text]);
    }
    case 'SRV': {
      const head = Buffer.alloc(6);
      head.writeUInt16BE(record.priority, 0);
      head.writeUInt16BE(record.weight, 2);
      head.writeUInt16BE(record.port, 4);
      return Buffer.concat([head, encodeName(record.target)]);
    }
    case 'SOA': {
      const numbers = Buffer.alloc(20);
      for (const [index, value] of [record.serial, 7200, 1800, 86_400, record.minimum].entries()) {
        numbers.writeUInt32BE(value >>> 0, index * 4);
      }
      return Buffer.concat([encodeName(record.primary), encodeName(record.mailbox), numbers]);
    }
  }
}

/** EDNS: we take 1232 bytes over UDP, which no path cuts in pieces. */
function encodeOption(): Buffer {
  return Buffer.from([0, 0, dnsTypes.OPT, 1232 >> 8, 1232 & 255, 0, 0, 0, 0, 0, 0]);
}

/** Of the EDNS record, which clients send as the only one behind the question. */
function readPayloadSize(message: Uint8Array, view: DataView, offset: number): number | undefined {
  const isPlain = view.getUint16(6) === 0 && view.getUint16(8) === 0 && view.getUint16(10) > 0;
  if (!isPlain || offset + 11 > message.length) return undefined;
  return message[offset] === 0 && view.getUint16(offset + 1) === dnsTypes.OPT ? view.getUint16(offset + 3) : undefined;
}

/** The 16 bytes of an IPv6 address. @throws {ProtocolError} */
export function parseIpv6(address: string): Buffer {
  const [head = '', tail] = address.split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':')).flatMap(parseGroup);
  const [first, last] = [groups(head), groups(tail ?? '')];
  const missing = 8 - first.length - last.length;
  if (missing < 0 || (tail === undefined && missing > 0)) throw new ProtocolError(`"${address}" is no IPv6 address`);
  const bytes = Buffer.alloc(16);
  for (const [index, group] of [...first, ...Array<number>(missing).fill(0), ...last].entries()) {
    bytes.writeUInt16BE(group, index * 2);
  }
  return bytes;
}

/** The last 32 bits may be written as IPv4. */
function parseGroup(group: string): number[] {
  if (!group.includes('.')) return [Number.parseInt(group, 16) & 0xffff];
  const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
  return [(a << 8) | b, (c << 8) | d];
}

function formatIpv6(bytes: Uint8Array): string {
  const view = viewOf(bytes);
  return Array.from({ length: 8 }, (_, index) => view.getUint16(index * 2).toString(16)).join(':');
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
