import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { Logger } from '../../lib/log.ts';
import { parseAgentIdentifiers } from '../agent-identifiers.ts';
import { extensionsHeader, formatExtensions, parseExtensions } from '../extensions.ts';
import type { QueueBudget } from '../queue-budget.ts';
import { type AgentTokens, authenticateAgent } from './agent-authentication.ts';
import { type ClaimRules, checkAgentClaim } from './agent-claim.ts';
import { Backend } from './backend.ts';
import type { BackendRegistry } from './backend-registry.ts';
import type { GrpcHandler } from './grpc-listener.ts';
import { acceptCall, refuseCall } from './grpc-reply.ts';
import type { ServerMetrics } from './server-metrics.ts';

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

/** `AgentService.Connect`: checks who an agent is, tells it the server's id and count, and keeps it among the backends while its stream lasts. */
export function agentService(options: AgentServiceOptions): GrpcHandler {
  const { registry, metrics } = options;
  const count = () => {
    for (const [strategy, ready] of registry.counts()) {
      metrics.readyBackends.set({ proxy_strategy: strategy }, ready);
      metrics.readyBackendConnections.set(ready);
    }
  };
  count();

  async function connect(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
    const agentId = single(headers, 'agentid');
    if (agentId === undefined) {
      throw new Error(`expected one agent ID in the context, got [${headers['agentid'] ?? ''}]`);
    }
    const identifiers = parseAgentIdentifiers(single(headers, 'agentidentifiers') ?? '');
    const commonName = commonNameOf(stream);
    if (options.claimRules) checkAgentClaim({ commonName, identifiers }, options.claimRules);
    if (options.tokens) await authenticateAgent(headers.authorization, options.tokens);
    if (stream.destroyed) return;
    const log = options.log.with({ agentId });
    const extensions = parseExtensions(headers);
    acceptCall(stream, {
      serverid: options.serverId,
      servercount: String(options.serverCount),
      ...(extensions && { [extensionsHeader]: formatExtensions() }),
    });
    const backend = new Backend(stream, {
      agentId,
      identifiers,
      extensions,
      budget: options.budget,
      metrics,
      log: options.log,
      onDrain: () => log.info('Agent drains'),
      onEnd: (_, error) => {
        registry.remove(backend);
        metrics.grpcConnections.dec({ service_method: 'Connect' });
        if (error) metrics.countStreamError('from_agent', 'Canceled');
        count();
        log.info('Agent disconnected', { ...(error && { error: error.message }) });
        if (!stream.destroyed && !stream.writableEnded) stream.end();
      },
    });
    registry.add(backend);
    metrics.grpcConnections.inc({ service_method: 'Connect' });
    count();
    log.info('Agent connected', { identifiers: headers['agentidentifiers'] ?? '' });
  }

  return (stream, headers) => {
    const onError = (error: Error) => options.log.debug('Agent stream failed', { error: error.message });
    stream.on('error', onError);
    connect(stream, headers).catch((error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      options.log.warn('Agent rejected', { agentId: headers['agentid'], error: message });
      refuseCall(stream, { message });
    });
  };
}

/** Whose client certificate the connection showed; one that was not verified never gets here. */
function commonNameOf(stream: ServerHttp2Stream): string | undefined {
  const socket = stream.session?.socket as TLSSocket | undefined; // agents' ports always have TLS
  const subject = socket?.getPeerCertificate()?.subject;
  const name: unknown = subject?.CN;
  return Array.isArray(name) ? name.at(-1) : typeof name === 'string' ? name : undefined;
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
