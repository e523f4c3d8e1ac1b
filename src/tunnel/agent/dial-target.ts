import { connect, isIP, type Socket } from 'node:net';

/** A target that could not be reached. The message is worded as Go's dialer does, which upstream's server and clients read. */
export class TargetError extends Error {
  override readonly name = 'TargetError';
  readonly reason: 'timeout' | 'unknown';

  constructor(
    message: string,
    { reason = 'unknown', ...options }: ErrorOptions & { reason?: 'timeout' | 'unknown' } = {},
  ) {
    super(message, options);
    this.reason = reason;
  }
}

export interface TargetDial {
  readonly protocol: string;
  /** `host:port`, an IPv6 host in brackets. */
  readonly address: string;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

/** What Go says for the errors of the system. */
const wording: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect: connection refused',
  ETIMEDOUT: 'connect: connection timed out',
  EHOSTUNREACH: 'connect: no route to host',
  ENETUNREACH: 'connect: network is unreachable',
  ENETDOWN: 'connect: network is down',
  ECONNRESET: 'connection reset by peer',
  EPIPE: 'broken pipe',
  EMFILE: 'socket: too many open files',
  ENFILE: 'socket: too many open files in system',
  EADDRNOTAVAIL: 'connect: cannot assign requested address',
};

/** Connects to a target on behalf of the server. The socket is half-open capable and paused. @throws {TargetError} */
export function dialTarget({ protocol, address, signal, timeoutMs }: TargetDial): Promise<Socket> {
  if (protocol !== 'tcp') return Promise.reject(new TargetError(`dial ${protocol}: unknown network ${protocol}`));
  const target = parseAddress(address);
  if (!target)
    return Promise.reject(new TargetError(`dial tcp: address ${address}: missing or invalid port in address`));
  return new Promise((resolve, reject) => {
    const socket = connect({ ...target, allowHalfOpen: true, noDelay: true, keepAlive: true });
    const settle = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    };
    const fail = (error: TargetError) => {
      settle();
      socket.destroy();
      reject(error);
    };
    const onAbort = () =>
      fail(new TargetError(`dial tcp ${address}: operation was canceled`, { cause: signal.reason }));
    const timer = setTimeout(
      () => fail(new TargetError(`dial tcp ${address}: i/o timeout`, { reason: 'timeout' })),
      timeoutMs,
    );
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    socket.on('error', (error) => fail(toTargetError(error, { address, host: target.host })));
    socket.once('connect', () => {
      settle();
      socket.pause();
      resolve(socket);
    });
  });
}

function parseAddress(address: string): { host: string; port: number } | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(address) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65_535) return undefined;
  return { host: bracketed ?? (plain || 'localhost'), port };
}

function toTargetError(error: Error, { address, host }: { address: string; host: string }): TargetError {
  // With several addresses Node gathers one error for each; Go tells the last as well.
  const last: unknown = error instanceof AggregateError ? error.errors.at(-1) : error;
  const code = (last as NodeJS.ErrnoException | undefined)?.code ?? '';
  if (code === 'ENOTFOUND') return new TargetError(`dial tcp: lookup ${host}: no such host`, { cause: error });
  if (code.startsWith('EAI_')) {
    return new TargetError(`dial tcp: lookup ${host}: Temporary failure in name resolution`, { cause: error });
  }
  const shown = isIP(host) === 6 ? `[${host}]:${address.slice(address.lastIndexOf(':') + 1)}` : address;
  const reason = code === 'ETIMEDOUT' ? 'timeout' : 'unknown';
  const text = wording[code] ?? (last instanceof Error ? last.message : String(last));
  return new TargetError(`dial tcp ${shown}: ${text}`, { cause: error, reason });
}
