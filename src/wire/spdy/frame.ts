import type { SpdyHeaders } from './header-block.ts';

/** Frame types of SPDY/3.1. Source: draft-mbelshe-httpbis-spdy-00, "Framing Layer". */
export const frameType = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;

/** Why a stream is reset. `cancel` after data means no more than its end. */
export const resetStatus = {
  protocolError: 1,
  invalidStream: 2,
  refusedStream: 3,
  unsupportedVersion: 4,
  cancel: 5,
  internalError: 6,
  flowControlError: 7,
  streamInUse: 8,
  streamAlreadyClosed: 9,
  invalidCredentials: 10,
  frameTooLarge: 11,
} as const;

/** The only stream flag Kubernetes uses: the sender sends no more on this stream. */
export const finFlag = 0x01;

/** The largest payload that a frame's 24-bit length can say. */
export const maxPayloadBytes = 0xffffff;

/** One frame as it is read; of a DATA frame, each part as it arrives. */
export type SpdyFrame =
  | {
      readonly type: 'synStream';
      readonly streamId: number;
      readonly headers: SpdyHeaders;
      readonly fin: boolean;
      readonly unidirectional: boolean;
    }
  | { readonly type: 'synReply'; readonly streamId: number; readonly headers: SpdyHeaders; readonly fin: boolean }
  | { readonly type: 'headers'; readonly streamId: number; readonly headers: SpdyHeaders; readonly fin: boolean }
  /** `fin` is true on the last part of a frame that has the flag. `payload` is a view of what was pushed, not a copy. */
  | { readonly type: 'data'; readonly streamId: number; readonly payload: Uint8Array; readonly fin: boolean }
  | { readonly type: 'rstStream'; readonly streamId: number; readonly status: number }
  | { readonly type: 'settings' }
  | { readonly type: 'ping'; readonly id: number }
  | { readonly type: 'goAway'; readonly lastStreamId: number; readonly status: number }
  | { readonly type: 'windowUpdate'; readonly streamId: number; readonly delta: number };

/** The 8 bytes in front of a DATA payload. */
export function encodeDataHead(streamId: number, length: number, options: { fin: boolean }): Uint8Array {
  const head = Buffer.allocUnsafe(8);
  head.writeUInt32BE(streamId);
  head.writeUInt32BE(length, 4);
  head[4] = options.fin ? finFlag : 0;
  return head;
}

/** `block` comes from the connection's `HeaderBlockEncoder`, which has to be asked in the order the frames are sent. */
export function encodeSynStream(streamId: number, block: Uint8Array): Uint8Array {
  const head = controlHead(frameType.synStream, 10 + block.length, 10);
  head.writeUInt32BE(streamId, 8); // no associated stream, priority 0, slot 0
  return Buffer.concat([head, block]);
}

export function encodeSynReply(streamId: number, block: Uint8Array): Uint8Array {
  const head = controlHead(frameType.synReply, 4 + block.length, 4);
  head.writeUInt32BE(streamId, 8);
  return Buffer.concat([head, block]);
}

export function encodeRstStream(streamId: number, status: number): Uint8Array {
  const frame = controlHead(frameType.rstStream, 8, 8);
  frame.writeUInt32BE(streamId, 8);
  frame.writeUInt32BE(status, 12);
  return frame;
}

export function encodePing(id: number): Uint8Array {
  const frame = controlHead(frameType.ping, 4, 4);
  frame.writeUInt32BE(id, 8);
  return frame;
}

/** Go peers stop reading at a GOAWAY: it has to be the last frame. */
export function encodeGoAway(lastStreamId: number, status: number): Uint8Array {
  const frame = controlHead(frameType.goAway, 8, 8);
  frame.writeUInt32BE(lastStreamId, 8);
  frame.writeUInt32BE(status, 12);
  return frame;
}

/** A control frame's first 8 bytes, with room for `bodyBytes` of zeros behind them. */
function controlHead(type: number, length: number, bodyBytes: number): Buffer {
  const head = Buffer.alloc(8 + bodyBytes);
  head.writeUInt32BE((0x8003_0000 | type) >>> 0);
  head.writeUInt32BE(length, 4);
  return head;
}
