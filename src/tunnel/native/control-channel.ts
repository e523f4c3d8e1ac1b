import type { Http2Stream } from 'node:http2';
import { ProtocolError } from '../../lib/protocol-error.ts';

export interface ControlEvents {
  readonly onLine: (line: string) => void;
  /** Called once; `error` where the peer broke the rules. */
  readonly onEnd: (error?: Error) => void;
}

const maxLineBytes = 4096;
const maxEarlyLines = 16;

/** Lines on the body of the first stream, both ways. Who reads one it does not know ignores it. What comes before `listen` waits for it. */
export class ControlChannel {
  readonly #stream: Http2Stream;
  #rest = '';
  #early: string[] = [];
  #over: { readonly error: Error | undefined } | undefined;
  #events: ControlEvents | undefined;

  constructor(stream: Http2Stream) {
    this.#stream = stream;
    stream.on('data', (chunk: Buffer) => this.#receive(chunk));
    stream.on('end', () => this.#end());
    stream.on('error', (error: Error) => this.#end(error));
    stream.on('close', () => this.#end());
  }

  /** From now on `events` hear, and nobody else. */
  listen(events: ControlEvents): void {
    this.#events = events;
    const early = this.#early;
    this.#early = [];
    for (const line of early) events.onLine(line);
    if (this.#over) events.onEnd(this.#over.error);
  }

  send(line: string): void {
    if (this.#stream.writable) this.#stream.write(`${line}\n`, 'latin1');
  }

  end(): void {
    if (this.#stream.writable) this.#stream.end();
  }

  #receive(chunk: Buffer): void {
    if (this.#over) return;
    const lines = (this.#rest + chunk.toString('latin1')).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      if (this.#events) this.#events.onLine(line);
      else this.#early.push(line);
    }
    if (this.#rest.length > maxLineBytes || this.#early.length > maxEarlyLines) {
      this.#end(new ProtocolError('The peer sends more on the control channel than it may'));
    }
  }

  #end(error?: Error): void {
    if (this.#over) return;
    this.#over = { error };
    this.#events?.onEnd(error);
  }
}
