import { Duplex } from 'node:stream';
import type { WebSocketConnection } from './websocket.ts';

/**
 * A byte stream over the binary messages of a WebSocket, as `SPDY/3.1+portforward.k8s.io` has it. Message boundaries mean nothing.
 * Ends with the close frame: there is no half-close at this level.
 */
export class WebSocketTunnel extends Duplex {
  readonly #connection: WebSocketConnection;

  constructor(connection: WebSocketConnection) {
    super({ allowHalfOpen: true, readableHighWaterMark: 64 * 1024, writableHighWaterMark: 64 * 1024 });
    this.#connection = connection;
    connection.start({
      message: (data, isText) => {
        if (isText) this.destroy(new Error('The peer sent a text message in a tunnel of bytes'));
        else if (data.length > 0 && !this.readableEnded && !this.push(data)) connection.pause();
      },
      closed: (code, reason) => {
        if (code === 1000 || this.writableEnded) this.push(null);
        else this.destroy(new Error(`The WebSocket closed with code ${code}${reason && `: ${reason}`}`));
        if (!this.writableFinished) this.destroySoon();
      },
    });
  }

  override _read(): void {
    this.#connection.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#connection.send(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    void this.#connection.close().then(() => done());
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (error) this.#connection.terminate();
    else void this.#connection.close();
    done(error);
  }

  /** The peer has closed: nothing can be written any more, but what came can still be read. */
  destroySoon(): void {
    if (this.readableEnded) this.destroy();
    else this.once('end', () => this.destroy());
  }
}
