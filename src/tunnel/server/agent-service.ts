import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { Logger } from '../../lib/log.ts';
import { type AgentIdentifiers, parseAgentIdentifiers } from '../agent-identifiers.ts';
import { extensionsHeader, formatExtensions, parseExtensions } from '../extensions.ts';
import { acceptTunnel, DuplicateAgentError, refuseAgent } from '../native/accept-tunnel.ts';
import { NativeBackend } from '../native/native-backend.ts';
import type { QueueBudget } from '../queue-budget.ts';
import { type AgentTokens, authenticateAgent } from './agent-authentication.ts';
import { type ClaimRules, checkAgentClaim } from './agent-claim.ts';
import { type AgentPeer, type AgentUser, peerOfCertificate, peerOfUser } from './agent-peer.ts';
import { Backend } from './backend.ts';
import type { BackendRegistry } from './backend-registry.ts';
import { acceptCall, refuseCall } from './grpc-reply.ts';
import type { ServerMetrics } from './server-metrics.ts';
import type { TunnelBackend } from './tunnel-backend.ts';

export interface AgentServiceOptions {
  readonly serverId: string;
  readonly serverCount: number;
  readonly registry: BackendRegistry;
  readonly budget: QueueBudget;
  readonly metrics: ServerMetrics;
  readonly log: Logger;
  /** Absent: whoever the port's TLS let in. */
  readonly tokens?: AgentTokens | undefined;
  /** Absent: what agents say is believed, as upstream. */
  readonly claimRules: ClaimRules | undefined;
}

/** What an agent says about itself, in either protocol. */
interface AgentClaims {
  readonly agentId: string;
  readonly identifiers: AgentIdentifiers;
}

/** Takes agents: checks who they are, tells them the server's id and count, and keeps them among the backends while they are connected. */
export class AgentService {
  readonly #options: AgentServiceOptions;
  readonly #sockets = new Set<TLSSocket>();

  constructor(options: AgentServiceOptions) {
    this.#options = options;
    this.#count();
  }

  /** Upstream's `AgentService.Connect`. `user` is who a listener of somebody else's has authenticated. */
  serveStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, user?: AgentUser): void {
    stream.on('error', (error) => this.#options.log.debug('Agent stream failed', { error: error.message }));
    // Agents' ports always have TLS.
    const peer = user ? peerOfUser(user) : peerOfCertificate(stream.session?.socket as TLSSocket | undefined);
    this.#connect(stream, headers, peer).catch((error: unknown) => {
      refuseCall(stream, { message: this.#rejected(headers, error) });
    });
  }

  /** A connection on which the native protocol was chosen. */
  acceptNative(socket: TLSSocket, user?: AgentUser): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.on('error', (error) => this.#options.log.debug('Agent connection failed', { error: error.message }));
    const peer = user ? peerOfUser(user) : peerOfCertificate(socket);
    this.#greet(socket, peer).catch((error: unknown) => {
      socket.destroy();
      if (error instanceof DuplicateAgentError) this.#options.log.debug('Agent is connected already');
      else this.#rejected({}, error);
    });
  }

  /** Cuts the connections that were handed over. */
  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async #connect(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, peer: AgentPeer): Promise<void> {
    const { serverId, serverCount, budget, metrics, log } = this.#options;
    const claims = await this.#check(headers, peer);
    if (stream.destroyed) return;
    const extensions = parseExtensions(headers);
    acceptCall(stream, {
      serverid: serverId,
      servercount: String(serverCount),
      ...(extensions && { [extensionsHeader]: formatExtensions() }),
    });
    const events = this.#events(claims, () => {
      if (!stream.destroyed && !stream.writableEnded) stream.end();
    });
    const { nodeName } = peer;
    this.#add(new Backend(stream, { ...claims, ...events, nodeName, extensions, budget, metrics, log }), headers);
  }

  async #greet(socket: TLSSocket, peer: AgentPeer): Promise<void> {
    if (socket.getProtocol() !== 'TLSv1.3')
      throw new Error(`the native tunnel needs TLS 1.3, not ${socket.getProtocol()}`);
    const { serverId, serverCount, budget, metrics, log } = this.#options;
    socket.setNoDelay(true);
    const greeted = await acceptTunnel(socket, { serverId, serverCount });
    try {
      const claims = await this.#check(greeted.headers, peer);
      const events = this.#events(claims);
      this.#add(
        new NativeBackend(greeted, { ...claims, ...events, nodeName: peer.nodeName, budget, metrics, log }),
        greeted.headers,
      );
    } catch (error) {
      refuseAgent(greeted, this.#rejected(greeted.headers, error));
    }
  }

  /** @throws an error whose message goes to the agent */
  async #check(headers: IncomingHttpHeaders, peer: AgentPeer): Promise<AgentClaims> {
    const { claimRules, tokens } = this.#options;
    const agentId = single(headers, 'agentid');
    if (agentId === undefined) {
      throw new Error(`expected one agent ID in the context, got [${headers['agentid'] ?? ''}]`);
    }
    const identifiers = parseAgentIdentifiers(single(headers, 'agentidentifiers') ?? '');
    if (claimRules) checkAgentClaim({ commonName: peer.name, identifiers }, claimRules);
    if (tokens && !peer.authenticated) await authenticateAgent(headers.authorization, tokens);
    return { agentId, identifiers };
  }

  #events({ agentId }: AgentClaims, onEnd: () => void = () => {}) {
    const { registry, metrics } = this.#options;
    const log = this.#options.log.with({ agentId });
    return {
      onDrain: () => log.info('Agent drains'),
      onEnd: (backend: TunnelBackend, error: Error | undefined) => {
        registry.remove(backend);
        metrics.grpcConnections.dec({ service_method: 'Connect' });
        if (error) metrics.countStreamError('from_agent', 'Canceled');
        this.#count();
        log.info('Agent disconnected', { ...(error && { error: error.message }) });
        onEnd();
      },
    };
  }

  #add(backend: TunnelBackend, headers: IncomingHttpHeaders): void {
    const { registry, metrics, log } = this.#options;
    registry.add(backend);
    metrics.grpcConnections.inc({ service_method: 'Connect' });
    this.#count();
    const { agentId, nodeName, protocol } = backend;
    const identifiers = headers['agentidentifiers'] ?? '';
    log.info('Agent connected', { agentId, protocol, identifiers, ...(nodeName !== undefined && { node: nodeName }) });
  }

  #count(): void {
    const { registry, metrics } = this.#options;
    for (const [strategy, ready] of registry.counts()) {
      metrics.readyBackends.set({ proxy_strategy: strategy }, ready);
      metrics.readyBackendConnections.set(ready);
    }
  }

  #rejected(headers: IncomingHttpHeaders, error: unknown): string {
    const message = error instanceof Error ? error.message : String(error);
    this.#options.log.warn('Agent rejected', { agentId: headers['agentid'], error: message });
    return message;
  }
}

/** The value of a key that may come once; Node joins repeated keys with a comma. */
function single(headers: IncomingHttpHeaders, key: string): string | undefined {
  const value = headers[key];
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || value.includes(', ')) {
    throw new Error(`expected one ${key === 'agentid' ? 'agent ID' : key} in the context, got [${value}]`);
  }
  return value;
}
