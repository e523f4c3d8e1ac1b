import { ProtocolError } from '../../lib/protocol-error.ts';
import { finFlag, frameType, type SpdyFrame } from './frame.ts';
import { HeaderBlockDecoder } from './header-block.ts';

const headBytes = 8;
/** Control frames are gathered before they are read. Kubernetes' are below 100 bytes. */
const maxControlBytes = 64 * 1024;

type State =
  /** Gathering the 8 bytes of a frame's head. */
  | { phase: 'head' }
  /** Gathering the whole payload of a control frame. */
  | { phase: 'control'; type: number; flags: number; length: number }
  /** Handing out a DATA payload as it arrives. */
  | { phase: 'data'; streamId: number; fin: boolean; remaining: number };

/**
 * Decodes SPDY/3.1 from chunks of any size. At most one control frame (64 KiB) is held back; DATA is passed through.
 * After a {@link ProtocolError} the decoder must not be used any more.
 *
 *     control: 1|version(15)=3 | type(16) || flags(8) | length(24) || payload
 *     data:    0|stream-id(31)            || flags(8) | length(24) || bytes
 *
 * Source: draft-mbelshe-httpbis-spdy-00; unknown types end the connection, as in moby/spdystream.
 */
export class SpdyDecoder {
  readonly #headers = new HeaderBlockDecoder();
  #state: State = { phase: 'head' };
  #held: Uint8Array[] = [];
  #heldBytes = 0;

  /** The frames that `chunk` completes. The iteration must be finished before the next call. */
  *decode(chunk: Uint8Array): Generator<SpdyFrame, void> {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#state.phase === 'data') {
        const { streamId, remaining, fin } = this.#state;
        const payload = rest.subarray(0, remaining);
        rest = rest.subarray(payload.length);
        this.#state.remaining -= payload.length;
        const last = this.#state.remaining === 0;
        if (last) this.#state = { phase: 'head' };
        yield { type: 'data', streamId, payload, fin: fin && last };
        continue;
      }
      const wanted = this.#state.phase === 'head' ? headBytes : this.#state.length;
      const taken = rest.subarray(0, wanted - this.#heldBytes);
      rest = rest.subarray(taken.length);
      const whole = this.#gather(taken, wanted);
      if (!whole) return;
      const frame = this.#state.phase === 'head' ? this.#decodeHead(whole) : this.#decodeControl(this.#state, whole);
      if (frame) yield frame;
    }
  }

  /** Returns `wanted` bytes once they are there. */
  #gather(bytes: Uint8Array, wanted: number): Buffer | undefined {
    if (this.#heldBytes === 0 && bytes.length === wanted) {
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    if (this.#heldBytes < wanted) return undefined;
    const whole = Buffer.concat(this.#held, wanted);
    this.#held = [];
    this.#heldBytes = 0;
    return whole;
  }

  /** Sets the next state. A frame without payload is complete with its head. */
  #decodeHead(head: Buffer): SpdyFrame | undefined {
    const first = head.readUInt32BE();
    const flags = head.readUInt8(4);
    const length = head.readUIntBE(5, 3);
    if (first < 0x8000_0000) {
      if (first === 0) throw new ProtocolError('SPDY data frame on stream 0');
      const fin = (flags & finFlag) !== 0;
      if (length === 0) return { type: 'data', streamId: first, payload: new Uint8Array(0), fin };
      this.#state = { phase: 'data', streamId: first, fin, remaining: length };
      return undefined;
    }
    if (length > maxControlBytes) {
      throw new ProtocolError(`SPDY control frame of ${length} bytes; the limit is ${maxControlBytes}`);
    }
    const type = first & 0xffff;
    if (length === 0) throw new ProtocolError(`SPDY control frame of type ${type} is empty`);
    this.#state = { phase: 'control', type, flags, length };
    return undefined;
  }

  #decodeControl({ type, flags }: { type: number; flags: number }, payload: Buffer): SpdyFrame {
    this.#state = { phase: 'head' };
    switch (type) {
      case frameType.synStream: {
        needAtLeast(payload, 10, 'SYN_STREAM');
        const headers = this.#headers.decode(payload.subarray(10));
        const unidirectional = (flags & 0x02) !== 0;
        return {
          type: 'synStream',
          streamId: streamIdOf(payload),
          headers,
          fin: (flags & finFlag) !== 0,
          unidirectional,
        };
      }
      case frameType.synReply:
      case frameType.headers: {
        needAtLeast(payload, 4, type === frameType.synReply ? 'SYN_REPLY' : 'HEADERS');
        const headers = this.#headers.decode(payload.subarray(4));
        const fin = (flags & finFlag) !== 0;
        return {
          type: type === frameType.synReply ? 'synReply' : 'headers',
          streamId: streamIdOf(payload),
          headers,
          fin,
        };
      }
      case frameType.rstStream: {
        needExactly(payload, 8, 'RST_STREAM');
        const status = payload.readUInt32BE(4);
        if (status === 0) throw new ProtocolError('SPDY RST_STREAM with status 0');
        return { type: 'rstStream', streamId: streamIdOf(payload), status };
      }
      case frameType.settings: {
        needAtLeast(payload, 4, 'SETTINGS');
        if (payload.readUInt32BE() > (payload.length - 4) / 8) throw new ProtocolError('SPDY SETTINGS is cut short');
        return { type: 'settings' };
      }
      case frameType.ping: {
        needExactly(payload, 4, 'PING');
        const id = payload.readUInt32BE();
        if (id === 0 || flags !== 0) throw new ProtocolError('SPDY PING with id 0 or flags');
        return { type: 'ping', id };
      }
      case frameType.goAway: {
        needExactly(payload, 8, 'GOAWAY');
        if (flags !== 0) throw new ProtocolError('SPDY GOAWAY with flags');
        return { type: 'goAway', lastStreamId: payload.readUInt32BE() & 0x7fff_ffff, status: payload.readUInt32BE(4) };
      }
      case frameType.windowUpdate: {
        needExactly(payload, 8, 'WINDOW_UPDATE');
        return {
          type: 'windowUpdate',
          streamId: payload.readUInt32BE() & 0x7fff_ffff,
          delta: payload.readUInt32BE(4) & 0x7fff_ffff,
        };
      }
      default:
        throw new ProtocolError(`SPDY control frame of unknown type ${type}`);
    }
  }
}

function streamIdOf(payload: Buffer): number {
  const id = payload.readUInt32BE() & 0x7fff_ffff;
  if (id === 0) throw new ProtocolError('SPDY frame for stream 0');
  return id;
}

function needAtLeast(payload: Buffer, bytes: number, name: string): void {
  if (payload.length < bytes) throw new ProtocolError(`SPDY ${name} of ${payload.length} bytes is too short`);
}

function needExactly(payload: Buffer, bytes: number, name: string): void {
  if (payload.length !== bytes) throw new ProtocolError(`SPDY ${name} of ${payload.length} bytes; expected ${bytes}`);
}
