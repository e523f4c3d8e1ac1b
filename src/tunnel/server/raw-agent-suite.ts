import http2, { type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2';
import type { OutgoingPacket, Packet } from '../../wire/konnectivity.ts';
import { PacketStream } from '../packet-stream.ts';
import type { TestCredentials } from '../tunnel-suite.ts';

/** An agent that does exactly what a test tells it, without our extensions: as an upstream agent looks to a server. */
export class RawAgent implements AsyncDisposable {
  readonly session: ClientHttp2Session;
  readonly packets: PacketStream;
  readonly headers: Promise<IncomingHttpHeaders>;
  readonly received: Packet[] = [];
  readonly #waiting = new Set<() => void>();

  constructor(port: number, { ca, client }: TestCredentials, metadata: Readonly<Record<string, string>> = {}) {
    this.session = http2.connect(`https://127.0.0.1:${port}`, { ca, cert: client.certificate, key: client.key });
    this.session.on('error', () => {}); // tests look at what was received
    const stream = this.session.request({
      ':method': 'POST',
      ':path': '/AgentService/Connect',
      'content-type': 'application/grpc',
      te: 'trailers',
      agentid: 'raw',
      ...metadata,
    });
    this.headers = new Promise((resolve) => stream.once('response', resolve));
    this.packets = new PacketStream(stream, {
      onPacket: (packet) => {
        this.received.push(packet);
        for (const wake of this.#waiting) wake();
      },
      onEnd: () => {},
    });
  }

  send(packet: OutgoingPacket): void {
    this.packets.send(packet);
  }

  /** The first packet of a type that came, or comes. Each is given once. */
  async next<T extends Packet['type']>(type: T): Promise<Extract<Packet, { type: T }>> {
    for (;;) {
      const at = this.received.findIndex((packet) => packet.type === type);
      const [found] = at < 0 ? [] : this.received.splice(at, 1);
      if (found) return found as Extract<Packet, { type: T }>; // found by its type
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.session.once('close', () => resolve()));
    if (this.session.destroyed) return;
    this.session.destroy();
    await closed;
  }
}
