import type { OutgoingHttpHeaders } from 'node:http';
import { ApiError, badRequest } from '../../api/errors.ts';
import { relay } from '../../stream/relay.ts';
import { requestUpgrade, type Upgraded } from '../../stream/request-upgrade.ts';
import { listHeader, tuneSocket } from '../../stream/upgrade.ts';
import { UpgradeRefused } from '../../stream/upgrade-refused.ts';
import type { RequestContext, Upgrade } from '../exchange.ts';
import { Warnings } from '../warnings.ts';
import { hostOf, returnedHeaders, withoutCredentials } from './proxy-headers.ts';
import type { ProxyTarget } from './proxy-target.ts';

export interface ProxyUpgradeOptions {
  readonly target: ProxyTarget;
  readonly upgrade: Upgrade;
  readonly isIdentity: (name: string) => boolean;
  /** What the 101 warns of: it is written past the exchange. */
  readonly warnings: readonly string[];
}

/** A tunnelled HTTP/2 connection would carry requests that nobody authorized. */
const refusedProtocols = /^(h2c|h2|http\/)/i;

/**
 * Gives the client's upgrade to the backend, query included, and then carries bytes both ways until each has ended. The backend has to agree with a 101:
 * otherwise its connection is closed before the client is answered, and the client's behind the answer (CVE-2018-1002105).
 * Returns the status of the answer.
 */
export async function proxyUpgrade(context: RequestContext, options: ProxyUpgradeOptions): Promise<number> {
  const { exchange } = context;
  const { target, upgrade, isIdentity } = options;
  exchange.closeConnection();
  const { headers } = exchange;
  const asked = listHeader(headers['upgrade']);
  if (asked.some((protocol) => refusedProtocols.test(protocol))) {
    throw badRequest('upgrades to HTTP itself are not passed on');
  }
  if (headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0') {
    throw badRequest('a request for an upgrade must have no body');
  }
  const forwarded = withoutCredentials(headers, { clientAddress: exchange.socket.remoteAddress, isIdentity });
  for (const name of ['host', 'content-length', 'connection', 'keep-alive', 'te', 'trailer', 'http2-settings']) {
    delete forwarded[name];
  }
  forwarded['connection'] = 'Upgrade';
  const transport = await target.open().catch((cause: Error) => {
    if (cause instanceof ApiError) throw cause;
    throw new ApiError('', `error dialing backend: ${cause.message}`, { code: 500, cause });
  });
  let upgraded: Upgraded;
  try {
    upgraded = await requestUpgrade(transport, {
      method: exchange.method,
      path: target.path,
      host: hostOf(headers),
      headers: textual(forwarded),
      signal: exchange.signal,
    });
  } catch (error) {
    if (error instanceof UpgradeRefused) return passRefusal(context, error);
    throw new ApiError('', `error dialing backend: ${String((error as Error).message)}`, { code: 500, cause: error });
  }
  const agreed = listHeader(upgraded.headers.upgrade);
  if (agreed.some((protocol) => !asked.some((one) => one.toLowerCase() === protocol.toLowerCase()))) {
    upgraded.socket.destroy();
    throw new ApiError('', `invalid upgrade response: the backend changed to ${agreed.join(', ')}`, { code: 500 });
  }
  exchange.upgraded();
  await join(upgrade, upgraded, options.warnings);
  return 101;
}

/** The backend's own refusal, as it is, with as much of its body as was read; anything else than a refusal is an error. */
function passRefusal({ exchange }: RequestContext, { status, headers, body }: UpgradeRefused): number {
  if (status < 400) throw new ApiError('', `invalid upgrade response: status code ${status}`, { code: 500 });
  const { 'content-length': _declared, ...rest } = returnedHeaders(headers);
  exchange.respond(status, rest, body);
  return status;
}

async function join({ socket, head }: Upgrade, backend: Upgraded, warnings: readonly string[]): Promise<void> {
  const lines = ['HTTP/1.1 101 Switching Protocols'];
  for (const [name, value] of Object.entries(backend.headers)) {
    for (const one of [value ?? []].flat()) lines.push(`${name}: ${one}`);
  }
  const own = new Warnings();
  for (const text of warnings) own.add(text);
  for (const header of own.headers) lines.push(`warning: ${header}`);
  tuneSocket(socket);
  tuneSocket(backend.socket);
  socket.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  if (head.length > 0) socket.unshift(head);
  if (backend.head.length > 0) backend.socket.unshift(backend.head);
  await relay(socket, backend.socket);
}

function textual(headers: OutgoingHttpHeaders): Record<string, string | readonly string[]> {
  const entries = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, Array.isArray(value) ? value : String(value)] as const],
  );
  return Object.fromEntries(entries);
}
