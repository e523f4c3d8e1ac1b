import type { ServerHttp2Stream } from 'node:http2';
import type { Packet } from '../../wire/konnectivity.ts';
import { PacketStream } from '../packet-stream.ts';
import type { TunnelStream } from '../tunnel-stream.ts';
import type { TunnelDialer } from './dialer.ts';
import type { GrpcHandler } from './grpc-listener.ts';
import { acceptCall } from './grpc-reply.ts';
import type { ServerMetrics } from './server-metrics.ts';

/** Upstream's client knows a connection only shortly after it has read `DIAL_RSP`; what comes before is lost on it. */
const settleMs = 10;

type State =
  | { readonly phase: 'idle' }
  | { readonly phase: 'dialing'; readonly random: bigint; readonly abandon: AbortController }
  | { readonly phase: 'open'; readonly connection: TunnelStream }
  /** Nothing is read any more; the client ends the stream. */
  | { readonly phase: 'over' };

/** `ProxyService.Proxy`: one stream is one dial and then one connection. */
export function grpcFrontend({ dial, metrics }: { dial: TunnelDialer; metrics: ServerMetrics }): GrpcHandler {
  return (stream) => {
    new ProxyStream(stream, { dial, metrics }).start();
  };
}

class ProxyStream {
  readonly #packets: PacketStream;
  readonly #dial: TunnelDialer;
  readonly #metrics: ServerMetrics;
  readonly #stream: ServerHttp2Stream;
  #state: State = { phase: 'idle' };
  #startForwarding = () => {};

  constructor(stream: ServerHttp2Stream, { dial, metrics }: { dial: TunnelDialer; metrics: ServerMetrics }) {
    this.#stream = stream;
    this.#dial = dial;
    this.#metrics = metrics;
    this.#packets = new PacketStream(stream, {
      onPacket: (packet) => this.#receive(packet),
      onEnd: (error) => this.#ended(error),
      onHold: (held) => metrics.fullReceiveChannels.inc({ service_method: 'Proxy' }, held ? 1 : -1),
      onCount: (direction, type) => metrics.countPacket(direction === 'in' ? 'from_client' : 'to_client', type),
    });
  }

  start(): void {
    acceptCall(this.#stream);
    this.#metrics.grpcConnections.inc({ service_method: 'Proxy' });
  }

  #receive(packet: Packet): void {
    switch (packet.type) {
      case 'DIAL_REQ':
        if (this.#state.phase === 'idle') void this.#open(packet);
        return;
      case 'DATA':
        this.#receiveData(packet.connectId, packet.data);
        return;
      case 'CLOSE_REQ':
        this.#receiveClose(packet.connectId);
        return;
      case 'DIAL_CLS':
        if (this.#state.phase === 'dialing') this.#state.abandon.abort(new Error('the client gave up the dial'));
        else if (this.#state.phase === 'open') this.#state.connection.close();
        return;
      default:
        return; // nothing a client sends
    }
  }

  async #open({ protocol, address, random }: Extract<Packet, { type: 'DIAL_REQ' }>): Promise<void> {
    const abandon = new AbortController();
    this.#state = { phase: 'dialing', random, abandon };
    try {
      const connection = await this.#dial({ protocol, address, signal: abandon.signal });
      this.#packets.send({ type: 'DIAL_RSP', error: '', connectId: connection.connectId, random });
      this.#state = { phase: 'open', connection };
      this.#forward(connection);
    } catch (error) {
      this.#state = { phase: 'over' };
      if (abandon.signal.aborted) return;
      const message = error instanceof Error ? error.message : String(error);
      this.#packets.send({ type: 'DIAL_RSP', error: message, connectId: 0n, random });
    }
  }

  #receiveData(connectId: bigint, data: Buffer): void {
    const state = this.#state;
    if (state.phase === 'open' && state.connection.connectId === connectId) {
      this.#startForwarding();
      if (!state.connection.writable || state.connection.write(data)) return;
      this.#packets.hold(this);
      state.connection.once('drain', () => this.#packets.release(this));
    } else if (state.phase === 'open') {
      const error = 'mismatched connection IDs';
      const known = state.connection.connectId;
      state.connection.destroy();
      for (const id of [known, connectId]) this.#packets.send({ type: 'CLOSE_RSP', error, connectId: id });
      this.#state = { phase: 'over' };
    } else if (state.phase !== 'over') {
      this.#packets.send({ type: 'CLOSE_RSP', error: 'backend not initialized', connectId });
      if (state.phase === 'dialing')
        state.abandon.abort(new Error('the client sent bytes before its dial was answered'));
      this.#state = { phase: 'over' };
    }
  }

  #receiveClose(connectId: bigint): void {
    if (this.#state.phase === 'idle') {
      this.#packets.send({ type: 'CLOSE_RSP', error: 'backend uninitialized', connectId });
    } else if (this.#state.phase === 'open') {
      this.#startForwarding();
      this.#state.connection.close();
    }
  }

  /** Bytes from the target go out as fast as the client takes them; the end of them is `CLOSE_RSP`. */
  #forward(connection: TunnelStream): void {
    const { connectId } = connection;
    let blockedMs = 0;
    const turn = () => {
      this.#metrics.frontendWriteDuration.observe((performance.now() - blockedMs) / 1000);
      connection.resume();
    };
    const timer = setTimeout(() => this.#startForwarding(), settleMs);
    let answered = false;
    const finish = (error: string) => {
      if (answered) return;
      answered = true;
      this.#packets.send({ type: 'CLOSE_RSP', error, connectId });
      connection.close();
    };
    connection.on('error', () => finish(''));
    connection.on('close', () => {
      clearTimeout(timer);
      this.#packets.cancelTurn(turn);
      finish(connection.closeError);
    });
    this.#startForwarding = () => {
      this.#startForwarding = () => {};
      clearTimeout(timer);
      connection.on('data', (chunk: Buffer) => {
        this.#packets.sendData(connectId, chunk);
        if (this.#packets.writable || this.#packets.over) {
          this.#metrics.frontendWriteDuration.observe(0);
          return;
        }
        connection.pause();
        blockedMs = performance.now();
        this.#packets.whenWritable(turn);
      });
      connection.on('end', () => finish(connection.closeError));
    };
  }

  #ended(error: Error | undefined): void {
    const state = this.#state;
    this.#state = { phase: 'over' };
    this.#metrics.grpcConnections.dec({ service_method: 'Proxy' });
    if (error) this.#metrics.countStreamError('from_client', 'Canceled');
    if (state.phase === 'dialing') state.abandon.abort(new Error('the client ended its stream'));
    if (state.phase === 'open') {
      this.#startForwarding();
      state.connection.close();
      state.connection.resume();
    }
    if (!this.#stream.destroyed && !this.#stream.writableEnded) this.#stream.end();
  }
}
