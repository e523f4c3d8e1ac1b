import { Readable, Writable } from 'node:stream';
import {
  type ChannelProtocol,
  decodeChannelMessage,
  encodeChannelClose,
  encodeChannelMessage,
  hasChannelClose,
  isBase64Protocol,
} from '../wire/channel.ts';
import type { WebSocketConnection } from './websocket.ts';

export interface ChannelOptions {
  readonly protocol: ChannelProtocol;
  /** Channels the peer writes to. Data on any other is ignored. */
  readonly inbound: readonly number[];
  /** Whether this side ends a channel with a CLOSE message where the protocol has it: clients do, servers never do. */
  readonly sendsClose: boolean;
}

const bufferBytes = 256 * 1024;
/** What is written while a message is under way is joined to the next. */
const writeBufferBytes = 128 * 1024;
/** Peers limit the size of a message; what is written at once may be larger. */
const maxPayloadBytes = 64 * 1024;

/** The channels of exec, attach and the older port-forward on one WebSocket, each as a stream with back-pressure. */
export class WebSocketChannels {
  readonly #connection: WebSocketConnection;
  readonly #options: ChannelOptions;
  readonly #inbound = new Map<number, Readable>();
  readonly #full = new Set<Readable>();

  constructor(connection: WebSocketConnection, options: ChannelOptions) {
    this.#connection = connection;
    this.#options = options;
    for (const number of options.inbound) this.#inbound.set(number, this.#createReadable());
    connection.start({
      message: (data, isText) => this.#receive(data, isText),
      closed: (code, reason) => this.#end(code, reason),
    });
  }

  /** What the peer writes to `number`. Ends with the channel or a proper close; a lost connection is an error. */
  readable(number: number): Readable {
    const stream = this.#inbound.get(number);
    if (!stream) throw new Error(`Channel ${number} is not inbound`);
    return stream;
  }

  /** A way to write to channel `number`. */
  writable(number: number): Writable {
    const { protocol, sendsClose } = this.#options;
    const stream = new Writable({
      highWaterMark: writeBufferBytes,
      write: (chunk: Buffer, _encoding, done) => this.#send(number, [chunk], done),
      writev: (chunks, done) => {
        const parts = chunks.map(({ chunk }) => chunk as Buffer); // strings have been encoded
        this.#send(number, parts, done);
      },
      final: (done) => {
        if (sendsClose && hasChannelClose(protocol) && !this.#connection.closed.aborted) {
          this.#connection.send(encodeChannelClose(number), done);
        } else done();
      },
    });
    return quiet(stream);
  }

  /** An empty message on `number`: tells a client that the streams are open. */
  greet(number: number): void {
    this.#connection.send(encodeChannelMessage(number, new Uint8Array(0), this.#options.protocol), () => {});
  }

  /** Joins and splits `chunks` into messages. */
  #send(number: number, chunks: readonly Buffer[], done: (error?: Error | null) => void): void {
    const { protocol } = this.#options;
    const messages = joinPayloads(chunks);
    if (messages.length === 0) done();
    messages.forEach((payloads, index) => {
      const sent = index === messages.length - 1 ? done : () => {};
      if (isBase64Protocol(protocol)) {
        this.#connection.send(encodeChannelMessage(number, Buffer.concat(payloads), protocol), sent);
      } else {
        this.#connection.sendParts([Uint8Array.of(number), ...payloads], sent);
      }
    });
  }

  #createReadable(): Readable {
    const stream: Readable = new Readable({
      highWaterMark: bufferBytes,
      read: () => this.#drained(stream),
      destroy: (error, done) => {
        this.#drained(stream);
        done(error);
      },
    });
    return quiet(stream);
  }

  #drained(stream: Readable): void {
    if (this.#full.delete(stream) && this.#full.size === 0) this.#connection.resume();
  }

  #receive(data: Buffer, isText: boolean): void {
    const { protocol } = this.#options;
    if (data.length === 0) return;
    if (isText && !isBase64Protocol(protocol)) {
      this.#connection.terminate();
      return;
    }
    let message: ReturnType<typeof decodeChannelMessage>;
    try {
      message = decodeChannelMessage(data, protocol);
    } catch {
      this.#connection.terminate(); // a broken message ends the connection, as with upstream's servers
      return;
    }
    const stream = this.#inbound.get(message.channel);
    if (!stream || stream.destroyed) return;
    if (message.kind === 'close') {
      this.#inbound.delete(message.channel);
      stream.push(null);
    } else if (message.payload.length > 0 && !stream.push(message.payload)) {
      this.#full.add(stream);
      this.#connection.pause();
    }
  }

  #end(code: number, reason: string): void {
    for (const stream of this.#inbound.values()) {
      if (code === 1000) stream.push(null);
      else stream.destroy(new Error(`The WebSocket closed with code ${code}${reason && `: ${reason}`}`));
    }
    this.#inbound.clear();
    this.#full.clear();
  }
}

/** The payloads of each message: as few messages as the limit allows, and nothing copied. */
function joinPayloads(chunks: readonly Buffer[]): Buffer[][] {
  const messages: Buffer[][] = [];
  let room = 0;
  for (const chunk of chunks) {
    for (let from = 0; from < chunk.length; ) {
      if (room === 0) {
        messages.push([]);
        room = maxPayloadBytes;
      }
      const part = chunk.subarray(from, from + room);
      messages.at(-1)?.push(part);
      room -= part.length;
      from += part.length;
    }
  }
  return messages;
}

/** A lost connection fails all channels, also those nobody uses any more. Who reads or writes one sees the error there. */
function quiet<T extends Readable | Writable>(stream: T): T {
  stream.on('error', () => {});
  return stream;
}
