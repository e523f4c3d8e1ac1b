import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GrpcMessageDecoder, writeGrpcPrefix } from './grpc.ts';
import { decodePacket, encodeDataHead, encodePacket, type OutgoingPacket, type Packet } from './konnectivity.ts';

const packets: OutgoingPacket[] = [
  { type: 'DIAL_REQ', protocol: 'tcp', address: '10.0.0.1:10250', random: 0x7fff_ffff_ffff_ffffn },
  { type: 'DIAL_RSP', error: '', connectId: 1n, random: 9_007_199_254_740_993n },
  { type: 'DIAL_RSP', error: 'dial tcp 10.0.0.1:1: connect: connection refused', connectId: 0n, random: 3n },
  { type: 'CLOSE_REQ', connectId: 300n },
  { type: 'CLOSE_RSP', error: 'Unknown connectID', connectId: 2n },
  { type: 'DATA', connectId: 7n, data: Buffer.from('x'.repeat(200)) },
  { type: 'DATA', connectId: 7n, data: Buffer.alloc(0) },
  { type: 'DIAL_CLS', random: 5n },
  { type: 'DRAIN' },
  { type: 'FIN', connectId: 12n },
  { type: 'WINDOW', connectId: 12n, bytes: 524_288 },
];

test('each packet survives its encoding, 64-bit ids included', () => {
  for (const packet of packets) assert.deepEqual(decodePacket(encodePacket(packet)), packet);
});

test('packets have the bytes that upstream writes', () => {
  const hex = (packet: OutgoingPacket) => encodePacket(packet).toString('hex');
  assert.equal(hex({ type: 'DIAL_REQ', protocol: 'tcp', address: 'a:1', random: 1n }), '120c0a037463701203613a311801');
  assert.equal(hex({ type: 'CLOSE_RSP', error: '', connectId: 1n }), '080332021001');
  assert.equal(hex({ type: 'DATA', connectId: 1n, data: Buffer.from('hi') }), '0804220608011a026869');
  assert.equal(hex({ type: 'DRAIN' }), '08064200');
});

test('the head of a data packet and its bytes are the packet', () => {
  for (const length of [1, 100, 127, 128, 32_768, 70_000]) {
    const data = Buffer.alloc(length, 7);
    for (const connectId of [1n, 200n, 1n << 40n]) {
      const head = encodeDataHead(connectId, { length, spare: 5 });
      assert.deepEqual(decodePacket(Buffer.concat([head.subarray(5), data])), { type: 'DATA', connectId, data });
    }
  }
});

test('only the type decides: an empty packet is a dial, a foreign payload reads as nothing, unknown types are told', () => {
  assert.deepEqual(decodePacket(Buffer.alloc(0)), { type: 'DIAL_REQ', protocol: '', address: '', random: 0n });
  assert.deepEqual(decodePacket(Buffer.from('08023a020805', 'hex')), { type: 'CLOSE_REQ', connectId: 0n });
  assert.deepEqual(decodePacket(Buffer.from('0809', 'hex')), { type: 'unknown', number: 9 });
});

test('a stream of packets decodes byte by byte', () => {
  const decoder = new GrpcMessageDecoder();
  const found: Packet[] = [];
  for (const packet of packets) {
    const message = encodePacket(packet);
    const prefix = Buffer.alloc(5);
    writeGrpcPrefix(prefix, { length: message.length });
    for (const byte of Buffer.concat([prefix, message])) {
      decoder.push(Buffer.from([byte]), (bytes) => found.push(decodePacket(bytes)));
    }
  }
  assert.deepEqual(found, packets);
});

test('mutated packets decode or are refused, and never crash otherwise', () => {
  let state = 1;
  const random = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  for (let round = 0; round < 20_000; round++) {
    const bytes = Buffer.from(encodePacket(packets[random(packets.length)] ?? { type: 'DRAIN' }));
    for (let change = random(4); change >= 0; change--) bytes[random(bytes.length)] = random(256);
    try {
      decodePacket(bytes.subarray(0, random(bytes.length + 1)));
    } catch (error) {
      assert.equal((error as Error).name, 'ProtocolError');
    }
  }
});
