import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { ApiError } from '../../api/errors.ts';
import type { Node } from '../../api/kubernetes/core-v1.ts';
import type { ObjectSource } from '../../auth/object-source.ts';
import { messageOf } from '../../lib/error-message.ts';
import type { Logger } from '../../lib/log.ts';
import { request as httpRequest } from '../../lib/node-http.ts';
import type { Dial } from '../../stream/dial.ts';
import { requestUpgrade, type Upgraded } from '../../stream/request-upgrade.ts';
import { UpgradeRefused } from '../../stream/upgrade-refused.ts';
import { secureOver } from '../secure-over.ts';
import { defaultPreferredAddressTypes, kubeletAddress } from './kubelet-address.ts';
import { checkKubeletIdentity, explainTlsFailure } from './kubelet-identity.ts';

export interface KubeletConnectorOptions {
  readonly dial: Dial;
  readonly objects: ObjectSource;
  /** What the API server shows to kubelets, as PEM. */
  readonly clientCertificate?: string;
  readonly clientKey?: string;
  /** Signs kubelets' serving certificates; `undefined` verifies nothing, as upstream without the flag. */
  readonly certificateAuthorityPem: string | undefined;
  readonly preferredAddressTypes?: readonly string[];
  /** To dial and to shake hands, together. @default 10000 */
  readonly timeoutMs?: number;
  readonly log: Logger;
}

export interface KubeletRequest {
  readonly method: string;
  /** Path with query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly signal: AbortSignal;
  /** For `insecureSkipTLSVerifyBackend`. @default false */
  readonly skipVerification?: boolean;
}

/** A verified connection to a kubelet, and who is at its end. */
export interface KubeletConnection {
  readonly socket: TLSSocket;
  /** For the `Host` header: `address:port`. */
  readonly host: string;
}

export interface ConnectOptions {
  readonly signal: AbortSignal;
  /** @default false */
  readonly skipVerification?: boolean;
  /** Where somebody has decided already. @default what the Node reports */
  readonly address?: { readonly host: string; readonly port: number };
}

/** The API server's way to kubelets: always HTTPS, verified by the node's identity. */
export interface KubeletConnector {
  /** @throws {ApiError} 500 `error dialing backend: …` that names the node, the address and the cause */
  connect(nodeName: string, options: ConnectOptions): Promise<KubeletConnection>;
  /** One HTTP/1.1 request over a connection of its own. Any status is an answer. The body has to be read or destroyed. */
  request(nodeName: string, request: KubeletRequest): Promise<IncomingMessage>;
  /** @throws {UpgradeRefused} for any answer but 101; the connection is closed then */
  upgrade(nodeName: string, request: KubeletRequest): Promise<Upgraded>;
}

/** Until the head of an answer; its body may take as long as it likes. */
const answerTimeoutMs = 30_000;

export function createKubeletConnector(options: KubeletConnectorOptions): KubeletConnector {
  const { objects, dial, log, timeoutMs = 10_000 } = options;
  const preferredTypes = options.preferredAddressTypes ?? defaultPreferredAddressTypes;
  const context = createSecureContext({
    ...(options.clientCertificate !== undefined && { cert: options.clientCertificate }),
    ...(options.clientKey !== undefined && { key: options.clientKey }),
    ...(options.certificateAuthorityPem !== undefined && { ca: options.certificateAuthorityPem }),
  });

  const connect: KubeletConnector['connect'] = async (nodeName, { signal, skipVerification = false, ...decided }) => {
    const node = objects.get<Node>('nodes', { namespace: '', name: nodeName });
    if (!node) throw dialError(nodeName, 'the node does not exist');
    const { host, port } = decided.address ?? address(node, nodeName, preferredTypes);
    const authority = isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(new Error(`no connection within ${timeoutMs} ms`)), timeoutMs);
    const abandon = () => deadline.abort(signal.reason);
    signal.addEventListener('abort', abandon, { once: true });
    if (signal.aborted) abandon();
    try {
      const transport = await dial({ host, port, node: nodeName }, { signal: deadline.signal }).catch((cause) => {
        throw dialError(nodeName, messageOf(cause), cause);
      });
      const verify = options.certificateAuthorityPem !== undefined && !skipVerification;
      const socket = await shakeHands(transport, { context, verify, nodeName, host, signal: deadline.signal }).catch(
        (cause) => {
          throw dialError(nodeName, `${authority}: ${explainTlsFailure(cause)}`, cause);
        },
      );
      return { socket, host: authority };
    } catch (error) {
      if (!signal.aborted) log.warn('Kubelet not reached', { node: nodeName, address: authority, error });
      throw error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', abandon);
    }
  };

  return {
    connect,
    request: async (nodeName, request) => {
      const { socket, host } = await connect(nodeName, request);
      return sendRequest(socket, { ...request, host }).catch((cause: unknown) => {
        throw dialError(nodeName, `${host}: ${messageOf(cause)}`, cause);
      });
    },
    upgrade: async (nodeName, request) => {
      const { socket, host } = await connect(nodeName, request);
      return requestUpgrade(socket, { ...request, host, headers: request.headers ?? {} }).catch((cause: unknown) => {
        if (cause instanceof UpgradeRefused) throw cause;
        throw dialError(nodeName, `${host}: ${messageOf(cause)}`, cause);
      });
    },
  };
}

function address(node: Node, nodeName: string, preferredTypes: readonly string[]): { host: string; port: number } {
  try {
    return kubeletAddress(node, preferredTypes);
  } catch (cause) {
    throw dialError(nodeName, messageOf(cause), cause);
  }
}

interface HandshakeOptions {
  readonly context: SecureContext;
  readonly verify: boolean;
  readonly nodeName: string;
  readonly host: string;
  readonly signal: AbortSignal;
}

/** TLS on `transport`; no ALPN, because upgrades are HTTP/1.1's. Rejects with the reason why the peer is not believed. */
function shakeHands(
  transport: Duplex,
  { context, verify, nodeName, host, signal }: HandshakeOptions,
): Promise<TLSSocket> {
  const options: ConnectionOptions = {
    secureContext: context,
    servername: isIP(nodeName) ? '' : nodeName,
    rejectUnauthorized: verify,
    checkServerIdentity: (_name, certificate) => checkKubeletIdentity(certificate.raw, { nodeName, host }),
  };
  return secureOver(transport, options, { signal });
}

function sendRequest(socket: TLSSocket, options: KubeletRequest & { readonly host: string }): Promise<IncomingMessage> {
  const { method, path, host, signal } = options;
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      method,
      path,
      headers: { Host: host, Connection: 'close', ...(options.headers as Record<string, string | string[]>) }, // read only
      createConnection: () => socket,
    });
    const abandon = () => {
      request.destroy(signal.reason);
      socket.destroy();
    };
    signal.addEventListener('abort', abandon, { once: true });
    if (signal.aborted) abandon();
    socket.once('close', () => signal.removeEventListener('abort', abandon));
    const deadline = setTimeout(() => {
      request.destroy(new Error(`kubelet at ${host} gave no answer within ${answerTimeoutMs} ms`));
    }, answerTimeoutMs);
    request.on('error', (error) => {
      clearTimeout(deadline);
      socket.destroy();
      reject(error);
    });
    request.on('response', (response) => {
      clearTimeout(deadline);
      resolve(response);
    });
    request.end();
  });
}

function dialError(nodeName: string, why: string, cause?: unknown): ApiError {
  return new ApiError('', `error dialing backend: kubelet of node "${nodeName}": ${why}`, { code: 500, cause });
}
