import { decodeText } from '../lib/bytes.ts';
import { ProtocolError } from '../lib/protocol-error.ts';

/** Channel numbers of exec and attach over WebSocket. Source: k8s.io/apimachinery `pkg/util/remotecommand/constants.go`. */
export const channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;

/** The WebSocket subprotocols of exec and attach; `''` is a client that offers none. */
export const channelProtocols = [
  'v5.channel.k8s.io',
  'v4.channel.k8s.io',
  'v4.base64.channel.k8s.io',
  'channel.k8s.io',
  'base64.channel.k8s.io',
  '',
] as const;

export type ChannelProtocol = (typeof channelProtocols)[number];

export type ChannelMessage =
  | { readonly kind: 'data'; readonly channel: number; readonly payload: Uint8Array }
  /** The sender sends no more on this channel; only in v5. */
  | { readonly kind: 'close'; readonly channel: number };

/** Whether messages are text: a digit and base64 instead of a byte and bytes. */
export function isBase64Protocol(protocol: ChannelProtocol): boolean {
  return protocol === 'v4.base64.channel.k8s.io' || protocol === 'base64.channel.k8s.io';
}

/** Whether one channel can be ended while the others go on. */
export function hasChannelClose(protocol: ChannelProtocol): boolean {
  return protocol === 'v5.channel.k8s.io';
}

/** Whether the error channel carries a JSON `Status`; otherwise it is plain text, and nothing on success. */
export function hasStatusChannel(protocol: ChannelProtocol): boolean {
  return protocol.startsWith('v4.') || protocol.startsWith('v5.');
}

/**
 * Decodes one message.
 *
 *     byte 0      channel number; in base64 protocols its digit
 *     bytes 1..n  payload; in v5 on channel 255, the one-byte number of the channel that ends
 *
 * The payload of a binary protocol is a view of `message`, not a copy. Base64 is read as leniently as `Buffer` does.
 * @throws {ProtocolError} if `message` is empty, names no channel or ends none
 */
export function decodeChannelMessage(message: Uint8Array, protocol: ChannelProtocol): ChannelMessage {
  const [first] = message;
  if (first === undefined) throw new ProtocolError('Empty channel message');
  if (isBase64Protocol(protocol)) {
    const number = first - 0x30;
    if (number < 0 || number > 9) throw new ProtocolError('Channel message starts with no digit');
    return { kind: 'data', channel: number, payload: Buffer.from(decodeText(message.subarray(1)), 'base64') };
  }
  if (first === channel.close && hasChannelClose(protocol)) {
    const closing = message[1];
    if (closing === undefined || message.length !== 2) throw new ProtocolError('Close message must be two bytes');
    return { kind: 'close', channel: closing };
  }
  return { kind: 'data', channel: first, payload: message.subarray(1) };
}

/** The message for `payload` on `number`: bytes, or text for the base64 protocols. */
export function encodeChannelMessage(
  number: number,
  payload: Uint8Array,
  protocol: ChannelProtocol,
): Uint8Array | string {
  if (isBase64Protocol(protocol)) {
    return `${number}${Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('base64')}`;
  }
  const message = Buffer.allocUnsafe(1 + payload.length);
  message[0] = number;
  message.set(payload, 1);
  return message;
}

/** In v5: no more will be sent on `number`. */
export function encodeChannelClose(number: number): Uint8Array {
  return Uint8Array.of(channel.close, number);
}
