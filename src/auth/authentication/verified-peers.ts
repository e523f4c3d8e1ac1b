import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { type Certificate, parseCertificate } from '../../pki/certificate.ts';
import { verifyChain } from '../../pki/verify-chain.ts';
import { peerChain } from './peer-chain.ts';

/** The CAs an authenticator trusts now. A changed bundle is a new array: what was proved against the old one is proved again. */
export type AuthorityPool = () => readonly X509Certificate[];

export type VerifiedPeer<T> =
  | { readonly state: 'absent' }
  | { readonly state: 'invalid'; readonly error: Error }
  | { readonly state: 'valid'; readonly value: T };

/** A wrong certificate is judged again after this time: it may have been from a clock that was off. */
const refusalMs = 1000;

interface Entry<T> {
  readonly peer: VerifiedPeer<T>;
  readonly authorities: readonly X509Certificate[];
  readonly untilMs: number;
}

/**
 * Client certificates verified against one pool of CAs, once per connection until the chain expires, the pool changes or the connection ends.
 * @typeParam T what is kept of a good one, made by `derive` (which may throw)
 */
export class VerifiedPeers<T> {
  readonly #entries = new WeakMap<TLSSocket, Entry<T>>();
  readonly #authorities: AuthorityPool;
  readonly #derive: (certificate: Certificate, notAfterMs: number) => T;
  readonly #clock: Clock;

  constructor(options: {
    authorities: AuthorityPool;
    derive: (certificate: Certificate, notAfterMs: number) => T;
    clock?: Clock;
  }) {
    this.#authorities = options.authorities;
    this.#derive = options.derive;
    this.#clock = options.clock ?? systemClock;
  }

  verify(socket: TLSSocket): VerifiedPeer<T> {
    const nowMs = this.#clock.now();
    const authorities = this.#authorities();
    const known = this.#entries.get(socket);
    if (known && known.authorities === authorities && nowMs < known.untilMs) return known.peer;
    const entry = this.#judge(socket, authorities, nowMs);
    if (entry.peer.state !== 'absent') this.#entries.set(socket, entry);
    return entry.peer;
  }

  #judge(socket: TLSSocket, authorities: readonly X509Certificate[], nowMs: number): Entry<T> {
    const chain = peerChain(socket);
    const [leaf] = chain;
    if (!leaf) return { peer: { state: 'absent' }, authorities, untilMs: 0 };
    const refuse = (reason: string): Entry<T> => {
      const error = new Error(`verifying certificate SN=${leaf.serialNumber} failed: ${reason}`);
      return { peer: { state: 'invalid', error }, authorities, untilMs: nowMs + refusalMs };
    };
    const verdict = verifyChain(chain, { authorities, usage: 'client', nowMs });
    if (!verdict.valid) return refuse(verdict.reason);
    try {
      const value = this.#derive(parseCertificate(leaf), verdict.notAfterMs);
      return { peer: { state: 'valid', value }, authorities, untilMs: verdict.notAfterMs };
    } catch (error) {
      return refuse((error as Error).message);
    }
  }
}
