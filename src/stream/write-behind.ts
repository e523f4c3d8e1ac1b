import { Duplex } from 'node:stream';

/**
 * A stream around `transport` that takes what is written at once, up to `maxBytes`, whether the peer reads or not.
 *
 * `node:http2` reads nothing from its transport while a write to it is under way. Two such ends that both have more to send than the transport holds
 * therefore wait for each other for ever; one end that never waits is enough to prevent it. What HTTP/2's windows let out bounds the
 * memory, so `maxBytes` should be larger than the peer's window.
 */
export function writeBehind(transport: Duplex, { maxBytes = 24 * 1024 * 1024 }: { maxBytes?: number } = {}): Duplex {
  return new WriteBehind(transport, maxBytes);
}

class WriteBehind extends Duplex {
  readonly #transport: Duplex;
  readonly #maxBytes: number;

  constructor(transport: Duplex, maxBytes: number) {
    super({ allowHalfOpen: true });
    this.#transport = transport;
    this.#maxBytes = maxBytes;
    transport.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) transport.pause();
    });
    transport.on('end', () => this.push(null));
    transport.on('error', (error) => this.destroy(error));
    transport.on('close', () => this.destroy());
    transport.pause();
  }

  override _read(): void {
    this.#transport.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#forward(chunk, done);
  }

  override _writev(items: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#transport.cork();
    const last = items.length - 1;
    for (const [index, { chunk }] of items.entries()) this.#forward(chunk, index === last ? done : () => {});
    this.#transport.uncork();
  }

  override _final(done: () => void): void {
    this.#transport.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#transport.destroy();
    done(error);
  }

  /** Done at once while there is room, else when the transport has taken it. */
  #forward(chunk: Buffer, done: (error?: Error | null) => void): void {
    if (this.#transport.writableLength + chunk.length > this.#maxBytes) {
      this.#transport.write(chunk, done);
    } else {
      this.#transport.write(chunk);
      done();
    }
  }
}
