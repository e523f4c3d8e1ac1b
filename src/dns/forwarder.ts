import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, isIP, isIPv6 } from 'node:net';
import { ProtocolError } from '../lib/protocol-error.ts';

const attemptTimeoutMs = 2_000;
const maxInFlight = 500;
const dnsPort = 53;

export interface Resolver {
  readonly address: string;
  readonly port: number;
}

/** Asks other resolvers, each query from a port and with an id that nobody can guess. */
export class DnsForwarder {
  readonly #resolvers: readonly Resolver[];
  #inFlight = 0;

  constructor(resolvers: readonly Resolver[]) {
    this.#resolvers = resolvers;
  }

  /** The answer of the first resolver that gives one, with the query's own id. @throws if none does */
  async ask(query: Uint8Array, { tcp, signal }: { tcp: boolean; signal: AbortSignal }): Promise<Uint8Array> {
    if (this.#resolvers.length === 0) throw new Error('There is no resolver to forward to');
    if (this.#inFlight >= maxInFlight) throw new Error('Too many queries are forwarded already');
    this.#inFlight++;
    try {
      const failures: unknown[] = [];
      for (const resolver of this.#resolvers) {
        const deadline = AbortSignal.timeout(attemptTimeoutMs);
        try {
          return await forward(query, resolver, { tcp, signal: AbortSignal.any([deadline, signal]) });
        } catch (error) {
          if (signal.aborted) throw error;
          failures.push(error);
        }
      }
      throw new AggregateError(failures, 'No resolver answers');
    } finally {
      this.#inFlight--;
    }
  }
}

/** The resolvers of `/etc/resolv.conf`, at most three as libc takes. `except` leaves ourselves out. */
export async function systemResolvers(except: ReadonlySet<string>, path = '/etc/resolv.conf'): Promise<Resolver[]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const servers = [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)].map(([, address = '']) => address);
  return servers
    .filter((address) => isIP(address) > 0 && !except.has(address))
    .slice(0, 3)
    .map((address) => ({ address, port: dnsPort }));
}

async function forward(
  query: Uint8Array,
  resolver: Resolver,
  { tcp, signal }: { tcp: boolean; signal: AbortSignal },
): Promise<Uint8Array> {
  const sent = Buffer.from(query);
  sent.writeUInt16BE(randomInt(0x10000), 0);
  const answer = tcp ? await overTcp(sent, resolver, signal) : await overUdp(sent, resolver, signal);
  const own = Buffer.from(answer);
  own.set(query.subarray(0, 2));
  return own;
}

async function overUdp(query: Buffer, { address, port }: Resolver, signal: AbortSignal): Promise<Uint8Array> {
  const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4', signal });
  try {
    socket.connect(port, address);
    await once(socket, 'connect', { signal });
    socket.send(query);
    for (;;) {
      const [message]: Buffer[] = await once(socket, 'message', { signal });
      // What answers something else may be somebody who guesses: wait on.
      if (message && answersTo(query, message)) return message;
    }
  } finally {
    if (!signal.aborted) socket.close(); // An abort has closed it.
  }
}

async function overTcp(query: Buffer, { address, port }: Resolver, signal: AbortSignal): Promise<Uint8Array> {
  const socket = connect({ host: address, port, signal });
  socket.on('error', () => {}); // The loop below ends with it.
  try {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(query.length, 0);
    socket.write(Buffer.concat([length, query]));
    let received = Buffer.alloc(0);
    for await (const chunk of socket) {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) continue;
      const message = received.subarray(2, 2 + received.readUInt16BE(0));
      if (!answersTo(query, message)) break;
      return message;
    }
    throw new ProtocolError(`The resolver ${address} gave no answer to the query`);
  } finally {
    socket.destroy();
  }
}

/** The same id and the same question, in whatever case. */
function answersTo(query: Buffer, answer: Buffer): boolean {
  if (answer.length < 12 || answer.readUInt16BE(0) !== query.readUInt16BE(0) || (answer[2] ?? 0) < 0x80) return false;
  const end = questionEnd(query);
  const question = (message: Buffer) => message.toString('latin1', 12, end).toLowerCase();
  return answer.length >= end && question(answer) === question(query);
}

function questionEnd(query: Buffer): number {
  let offset = 12;
  while ((query[offset] ?? 0) !== 0) offset += 1 + (query[offset] ?? 0);
  return Math.min(query.length, offset + 5);
}
