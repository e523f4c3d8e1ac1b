import type { Http2Stream } from 'node:http2';
import { ProtocolError } from '../../lib/protocol-error.ts';

const maxLineBytes = 1024;

/** Lines on the body of the first stream, both ways. Who reads one it does not know ignores it. */
export class ControlChannel {
  readonly #stream: Http2Stream;
  #rest = '';

  /** `onEnd` is called once, with the error where the peer broke the rules. */
  constructor(stream: Http2Stream, events: { onLine: (line: string) => void; onEnd: (error?: Error) => void }) {
    this.#stream = stream;
    let over = false;
    const end = (error?: Error) => {
      if (over) return;
      over = true;
      events.onEnd(error);
    };
    stream.on('data', (chunk: Buffer) => {
      const lines = (this.#rest + chunk.toString('latin1')).split('\n');
      this.#rest = lines.pop() ?? '';
      if (this.#rest.length > maxLineBytes) end(new ProtocolError('A line on the control channel does not end'));
      else if (!over) for (const line of lines) events.onLine(line);
    });
    stream.on('end', () => end());
    stream.on('error', (error: Error) => end(error));
    stream.on('close', () => end());
  }

  send(line: string): void {
    if (this.#stream.writable) this.#stream.write(`${line}\n`, 'latin1');
  }

  end(): void {
    if (this.#stream.writable) this.#stream.end();
  }
}
