import { randomBytes } from 'node:crypto';
import { Duplex } from 'node:stream';
import * as grpc from '@grpc/grpc-js';
import { type ConnectAddress, connectThrough, readAll } from '../../src/tunnel/tunnel-suite.ts';
import { decodePacket, encodePacket, type OutgoingPacket, type Packet } from '../../src/wire/konnectivity.ts';

/** Opens a tunnel to `host:port`. @throws an error whose message holds what the server said */
export type OpenTunnel = (target: string) => Promise<Duplex>;

/** Through HTTP CONNECT. Bytes ahead of the header fail. */
export function httpTunnels(address: ConnectAddress): OpenTunnel {
  return async (target) => {
    const { socket, header, behind } = await connectThrough(address, target);
    if (!header.startsWith('HTTP/1.1 200 ')) {
      const body = Buffer.concat([behind, await readAll(socket)]).toString();
      socket.destroy();
      throw new Error(`${header.split('\r\n')[0]}: ${body}`.slice(0, 500));
    }
    if (behind.length > 0) socket.unshift(behind);
    return socket;
  };
}

/** Through `ProxyService.Proxy`, by grpc-js: an implementation of gRPC that is not ours. */
export function grpcTunnels(address: ConnectAddress): OpenTunnel {
  return async (target) => {
    const credentials =
      'path' in address
        ? grpc.credentials.createInsecure()
        : grpc.credentials.createSsl(
            Buffer.from(address.ca),
            Buffer.from(address.client.key),
            Buffer.from(address.client.certificate),
          );
    const client = new grpc.Client(
      'path' in address ? `unix:${address.path}` : `127.0.0.1:${address.port}`,
      credentials,
    );
    const call = client.makeBidiStreamRequest<OutgoingPacket, Packet>(
      '/ProxyService/Proxy',
      encodePacket,
      decodePacket,
    );
    const random = randomBytes(8).readBigUInt64BE() >> 1n;
    const answered = Promise.withResolvers<Packet>();
    const tunnel = new GrpcTunnel(call, () => client.close());
    call.on('data', (packet: Packet) => {
      if (packet.type === 'DIAL_RSP') {
        if (packet.error === '') tunnel.connectId = packet.connectId;
        answered.resolve(packet);
      } else tunnel.receive(packet);
    });
    call.on('error', (error) => {
      answered.reject(error);
      tunnel.destroy(error);
    });
    tunnel.on('error', () => {}); // a refused dial has its own
    call.on('end', () => tunnel.push(null));
    call.write({ type: 'DIAL_REQ', protocol: 'tcp', address: target, random });
    const packet = await answered.promise;
    if (packet.type !== 'DIAL_RSP' || packet.random !== random || packet.error !== '') {
      tunnel.destroy();
      throw new Error(packet.type === 'DIAL_RSP' ? packet.error : packet.type);
    }
    return tunnel;
  };
}

const maxPieceBytes = 64 * 1024;

class GrpcTunnel extends Duplex {
  connectId = 0n;
  readonly #call: grpc.ClientDuplexStream<OutgoingPacket, Packet>;
  readonly #close: () => void;

  constructor(call: grpc.ClientDuplexStream<OutgoingPacket, Packet>, close: () => void) {
    super({ allowHalfOpen: true });
    this.#call = call;
    this.#close = close;
  }

  receive(packet: Packet): void {
    if (packet.type === 'DATA') {
      if (!this.push(packet.data)) this.#call.pause();
    } else if (packet.type === 'CLOSE_RSP') this.push(null);
  }

  override _read(): void {
    this.#call.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    // A message may have 4 MiB at most.
    for (let at = 0; at < chunk.length; at += maxPieceBytes) {
      const data = chunk.subarray(at, at + maxPieceBytes);
      const last = at + maxPieceBytes >= chunk.length;
      this.#call.write({ type: 'DATA', connectId: this.connectId, data }, () => last && done());
    }
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#call.write({ type: 'CLOSE_REQ', connectId: this.connectId }, () => done());
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#call.on('error', () => {}); // cancelled: by us
    this.#call.cancel();
    this.#close();
    done(error);
  }
}
