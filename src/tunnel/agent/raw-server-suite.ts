import { once } from 'node:events';
import http2, { type Http2SecureServer, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { OutgoingPacket, Packet } from '../../wire/konnectivity.ts';
import { PacketStream } from '../packet-stream.ts';
import type { TestCredentials } from '../tunnel-suite.ts';

/** A server that does exactly what a test tells it, without our extensions: as an upstream server looks to an agent. */
export class RawServer implements AsyncDisposable {
  readonly #server: Http2SecureServer;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #received: Packet[] = [];
  readonly #waiting = new Set<() => void>();
  /** ALPN names that the last agent offered. */
  offered: readonly string[] = [];
  #packets: PacketStream | undefined;

  static async open({ serverTls }: TestCredentials): Promise<RawServer> {
    const server = new RawServer(serverTls);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  private constructor({ certificate, key }: TestCredentials['serverTls']) {
    this.#server = http2.createSecureServer({
      cert: certificate,
      key,
      ALPNCallback: ({ protocols }) => {
        this.offered = protocols;
        return 'h2';
      },
    });
    this.#server.on('session', (session) => {
      this.#sessions.add(session);
      session.on('error', () => {}); // tests look at what was received
      session.once('close', () => this.#sessions.delete(session));
    });
    this.#server.on('stream', (stream) => {
      stream.on('error', () => {}); // as above
      stream.respond({ ':status': 200, 'content-type': 'application/grpc', serverid: 'raw', servercount: '1' });
      this.#packets = new PacketStream(stream, {
        onPacket: (packet) => {
          this.#received.push(packet);
          for (const wake of this.#waiting) wake();
        },
        onEnd: () => {},
      });
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port; // it listens on TCP
  }

  send(packet: OutgoingPacket): void {
    this.#packets?.send(packet);
  }

  /** Cuts the agent off. */
  cut(): void {
    for (const session of this.#sessions) session.destroy();
  }

  /** The first packet of a type that came, or comes. Each is given once. */
  async next<T extends Packet['type']>(type: T): Promise<Extract<Packet, { type: T }>> {
    for (;;) {
      const at = this.#received.findIndex((packet) => packet.type === type);
      const [found] = at < 0 ? [] : this.#received.splice(at, 1);
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
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.cut();
    await closed;
  }
}
