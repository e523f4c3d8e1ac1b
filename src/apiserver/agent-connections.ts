import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { Authenticator } from '../auth/authenticator.ts';
import type { Authorizer } from '../auth/authorizer.ts';
import type { UserInfo } from '../auth/user.ts';
import type { Logger } from '../lib/log.ts';

/** A tunnel server of this process: agents of nodes come to it by the API server's own port. */
export interface AgentEndpoint {
  /** ALPN identifier of the connections that are handed over whole, after their TLS handshake. */
  readonly protocol: string;
  acceptNative(socket: TLSSocket, user: UserInfo): void;
  /** Takes a call of upstream's `AgentService.Connect`. */
  serveAgentStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, user: UserInfo): void;
}

/** Where upstream's agents register, and what a role names to let an agent in: verb `post` on this path. */
export const agentPath = '/AgentService/Connect';

export interface AgentConnectionsOptions {
  readonly endpoint: AgentEndpoint;
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  readonly log: Logger;
}

/** gRPC's codes for who is not known and who may not. */
const unauthenticated = 16;
const permissionDenied = 7;

/** Lets agents in that the API server knows and that RBAC allows, and hands them to the tunnel server. */
export class AgentConnections {
  readonly #options: AgentConnectionsOptions;

  constructor(options: AgentConnectionsOptions) {
    this.#options = options;
  }

  get protocol(): string {
    return this.#options.endpoint.protocol;
  }

  /** A connection that speaks the native protocol: its certificate says who it is. */
  connection(socket: TLSSocket): void {
    socket.pause();
    this.#judge({}, socket).then(
      (judgement) => {
        if ('user' in judgement) this.#options.endpoint.acceptNative(socket, judgement.user);
        else this.#refuse(socket, judgement.why, () => socket.destroy());
      },
      (error: unknown) => this.#refuse(socket, String(error), () => socket.destroy()),
    );
  }

  /** A call of upstream's protocol: a certificate or a bearer token says who it is. */
  stream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, socket: TLSSocket): void {
    const answer = (status: number, message: string) => {
      if (stream.destroyed || stream.headersSent) return;
      const head = { ':status': 200, 'content-type': 'application/grpc' };
      stream.respond({ ...head, 'grpc-status': String(status), 'grpc-message': message }, { endStream: true });
      stream.close();
    };
    this.#judge(headers, socket).then(
      (judgement) => {
        if (stream.destroyed) return;
        if ('user' in judgement) this.#options.endpoint.serveAgentStream(stream, headers, judgement.user);
        else this.#refuse(socket, judgement.why, () => answer(judgement.status, judgement.why));
      },
      (error: unknown) => this.#refuse(socket, String(error), () => answer(unauthenticated, 'Unauthorized')),
    );
  }

  async #judge(
    headers: IncomingHttpHeaders,
    socket: TLSSocket,
  ): Promise<{ user: UserInfo } | { why: string; status: number }> {
    const { authenticator, authorizer } = this.#options;
    const found = await authenticator.authenticate({ headers, socket, path: agentPath });
    if (found.outcome !== 'authenticated') {
      const cause = found.outcome === 'rejected' ? `: ${found.error.message}` : ': no credentials were shown';
      return { why: `Unauthorized${cause}`, status: unauthenticated };
    }
    const { user } = found;
    const decision = await authorizer.authorize({ kind: 'nonResource', user, verb: 'post', path: agentPath });
    if (decision.verdict === 'allow') return { user };
    return {
      why: `User "${user.username}" cannot post path "${agentPath}": no role lets it be a tunnel agent`,
      status: permissionDenied,
    };
  }

  #refuse({ remoteAddress }: TLSSocket, error: string, refuse: () => void): void {
    this.#options.log.warn('Tunnel agent refused', { remoteAddress, error });
    refuse();
  }
}
