import type { Packet } from '../../wire/konnectivity.ts';
import { type Extensions, parseExtensions } from '../extensions.ts';
import { PacketStream } from '../packet-stream.ts';
import type { QueueBudget } from '../queue-budget.ts';
import { splice } from '../splice.ts';
import { type ConnectionOwner, TunnelConnection } from '../tunnel-connection.ts';
import type { AgentConnection, AgentConnectionOptions } from './agent-connection.ts';
import { dialTarget, TargetError } from './dial-target.ts';
import type { GrpcLink } from './grpc-link.ts';

/** As upstream's agent. */
const dialTimeoutMs = 5_000;
/** Connections and dials on one stream: a server that wants more is told that there are too many. */
const maxConnections = 20_000;

/** The agent's end of one `Connect` stream: dials what the server asks for and carries the bytes. */
export class ServerConnection implements ConnectionOwner, AgentConnection {
  readonly role = 'agent';
  readonly serverId: string;
  readonly extensions: Extensions | undefined;
  readonly budget: QueueBudget;
  readonly packets: PacketStream;
  readonly #link: GrpcLink;
  readonly #options: AgentConnectionOptions;
  readonly #dials = new Map<bigint, AbortController>();
  readonly #connections = new Map<bigint, TunnelConnection>();
  #lastConnectId = 0n;

  constructor(link: GrpcLink, options: AgentConnectionOptions) {
    this.#link = link;
    this.#options = options;
    this.serverId = link.serverId;
    this.extensions = parseExtensions(link.headers);
    this.budget = options.budget;
    this.packets = new PacketStream(link.stream, {
      onPacket: (packet) => this.#receive(packet),
      onEnd: (error) => this.#lost(error),
      onCount: (direction, type) => options.metrics.countPacket(direction, type),
    });
    link.session.once('close', () => this.packets.destroy(new Error('the connection to the server ended')));
    link.session.once('goaway', () => options.log.debug('Server is going away', { serverId: this.serverId }));
    if (link.session.destroyed) this.packets.destroy(new Error('the connection to the server ended'));
  }

  get connections(): number {
    return this.#connections.size + this.#dials.size;
  }

  get over(): boolean {
    return this.packets.over;
  }

  /** Asks the server to prefer other agents. */
  drain(): void {
    this.packets.send({ type: 'DRAIN' });
  }

  close(): void {
    this.packets.stream.end();
    this.packets.destroy(new Error('the agent was stopped'));
  }

  forget(connection: TunnelConnection): void {
    if (this.#connections.delete(connection.connectId)) this.#options.metrics.openEndpointConnections.dec();
  }

  onStalled({ address, queuedBytes }: TunnelConnection): void {
    this.#options.metrics.stalledConnections.inc();
    this.#options.log.warn('Connection closed: its target takes nothing and held up the tunnel', {
      serverId: this.serverId,
      address,
      queuedBytes,
    });
  }

  #receive(packet: Packet): void {
    switch (packet.type) {
      case 'DIAL_REQ':
        void this.#dial(packet);
        return;
      case 'DATA': {
        const { connectId, data } = packet;
        const connection = this.#connections.get(connectId);
        if (connection) connection.receiveData(data);
        else if (connectId !== 0n) this.packets.send({ type: 'CLOSE_RSP', error: 'unrecognized connectID', connectId });
        return;
      }
      case 'FIN':
        this.#connections.get(packet.connectId)?.receiveFin();
        return;
      case 'WINDOW':
        this.#connections.get(packet.connectId)?.receiveWindow(packet.bytes);
        return;
      case 'CLOSE_REQ': {
        const { connectId } = packet;
        const connection = this.#connections.get(connectId);
        if (connection) connection.receiveClose();
        else this.packets.send({ type: 'CLOSE_RSP', error: 'Unknown connectID', connectId });
        return;
      }
      case 'DIAL_CLS':
        this.#dials.get(packet.random)?.abort(new Error('the server gave up the dial'));
        return;
      case 'DIAL_RSP':
      case 'CLOSE_RSP':
      case 'DRAIN':
      case 'unknown':
        return; // nothing a server sends
    }
  }

  async #dial({ protocol, address, random }: Extract<Packet, { type: 'DIAL_REQ' }>): Promise<void> {
    const { metrics, log } = this.#options;
    const startedMs = performance.now();
    const abandon = new AbortController();
    const connectId = ++this.#lastConnectId;
    const refuse = (error: string) => this.packets.send({ type: 'DIAL_RSP', error, connectId: 0n, random });
    if (this.connections >= maxConnections || this.#dials.has(random)) {
      refuse(`dial tcp ${address}: too many open files`);
      return;
    }
    this.#dials.set(random, abandon);
    try {
      const socket = await dialTarget({ protocol, address, signal: abandon.signal, timeoutMs: dialTimeoutMs });
      this.#dials.delete(random);
      if (this.packets.over) {
        socket.destroy();
        return;
      }
      metrics.dialDuration.observe((performance.now() - startedMs) / 1000);
      const connection = new TunnelConnection(this, { connectId, address });
      this.#connections.set(connectId, connection);
      metrics.openEndpointConnections.inc();
      this.packets.send({ type: 'DIAL_RSP', error: '', connectId, random });
      await splice(socket, connection);
    } catch (error) {
      this.#dials.delete(random);
      if (abandon.signal.aborted) return;
      const message = error instanceof Error ? error.message : String(error);
      metrics.dialFailures.inc({ reason: error instanceof TargetError ? error.reason : 'unknown' });
      log.debug('Cannot reach a target', { address, error: message });
      refuse(message);
    }
  }

  #lost(error: Error | undefined): void {
    for (const dial of this.#dials.values()) dial.abort(new Error('the tunnel was lost'));
    const loss = new Error('the tunnel was lost', { cause: error });
    for (const connection of [...this.#connections.values()]) connection.receiveLoss(loss);
    if (error) this.#options.metrics.countServerFailure();
    this.#link.session.close();
    setTimeout(() => this.#link.session.destroy(), 1000).unref();
    this.#options.onEnd(this, error);
  }
}
