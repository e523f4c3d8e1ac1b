import { ApiError } from '../api/errors.ts';
import type { Lease } from '../api/kubernetes/coordination-v1.ts';
import { type Clock, formatMicroTime, systemClock } from '../lib/clock.ts';
import { type Logger, silentLogger } from '../lib/log.ts';
import type { ApiClient } from './client.ts';
import { leases } from './resources.ts';

export interface LeaderElectionOptions {
  readonly client: ApiClient;
  readonly namespace: string;
  /** Of the Lease. */
  readonly name: string;
  /** Of this candidate; no two may share one. */
  readonly identity: string;
  readonly signal: AbortSignal;
  /** @default 15_000 */
  readonly leaseDurationMs?: number;
  /** Without a renewal for so long the leader stops leading. @default 10_000 */
  readonly renewDeadlineMs?: number;
  /** @default 2_000 */
  readonly retryPeriodMs?: number;
  readonly clock?: Clock;
  readonly log?: Logger;
}

/**
 * Waits until this candidate holds the Lease, then runs `lead`, whose signal aborts when the Lease is lost or `signal` aborts.
 * On abort the Lease is given back, so that the next one need not wait. Begins again after a loss; ends when `lead` ends by itself.
 */
export async function runWithLeadership(
  options: LeaderElectionOptions,
  lead: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const { signal, clock = systemClock, retryPeriodMs = 2_000, log = silentLogger } = options;
  const candidate = new Candidate(options, clock);
  while (!signal.aborted) {
    if (!(await candidate.tryAcquire(log))) {
      await clock.delay(retryPeriodMs * (1 + 0.2 * Math.random()), { signal }).catch(() => {});
      continue;
    }
    log.info('Became leader', { lease: options.name, identity: options.identity });
    const leading = new AbortController();
    let finished = false;
    const renewing = keepRenewing(candidate, options, { clock, log, leading });
    try {
      await lead(leading.signal);
      finished = !leading.signal.aborted;
    } finally {
      leading.abort(new Error('Leading has ended'));
      await renewing;
      if (candidate.holds) await candidate.release(log);
    }
    if (finished) return;
  }
}

async function keepRenewing(
  candidate: Candidate,
  { signal, retryPeriodMs = 2_000, renewDeadlineMs = 10_000, name }: LeaderElectionOptions,
  { clock, log, leading }: { clock: Clock; log: Logger; leading: AbortController },
): Promise<void> {
  const onAbort = () => leading.abort(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  let renewedMs = clock.now();
  while (!leading.signal.aborted) {
    await clock.delay(retryPeriodMs, { signal: leading.signal }).catch(() => {});
    if (leading.signal.aborted) break;
    if (await candidate.tryAcquire(log)) renewedMs = clock.now();
    else if (candidate.lostTo !== undefined || clock.now() - renewedMs >= renewDeadlineMs) {
      log.warn('Lost leadership', { lease: name, to: candidate.lostTo });
      leading.abort(new Error('The lease was lost'));
    }
  }
  signal.removeEventListener('abort', onAbort);
}

class Candidate {
  readonly #options: LeaderElectionOptions;
  readonly #clock: Clock;
  #observed: { resourceVersion: string | undefined; sinceMs: number } | undefined;
  #lease: Lease | undefined;
  lostTo: string | undefined;

  constructor(options: LeaderElectionOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  get holds(): boolean {
    return this.#lease?.spec?.holderIdentity === this.#options.identity;
  }

  /** Takes a free or expired Lease or renews our own; false if that did not work now. */
  async tryAcquire(log: Logger): Promise<boolean> {
    const { client, namespace, name, identity } = this.#options;
    this.lostTo = undefined;
    try {
      const present = await client.get<Lease>(leases, { namespace, name }).catch(absentAsUndefined);
      if (!present) {
        this.#lease = await client.create<Lease>(leases, {
          metadata: { name, namespace },
          spec: this.#spec(undefined),
        });
        return true;
      }
      if (!this.#mayTake(present)) {
        this.#lease = present;
        this.lostTo = present.spec?.holderIdentity ?? '';
        return false;
      }
      this.#lease = await client.update<Lease>(leases, { ...present, spec: this.#spec(present) });
      return true;
    } catch (error) {
      log.debug('Cannot acquire or renew the lease', { lease: name, identity, error });
      return false;
    }
  }

  async release(log: Logger): Promise<void> {
    const { client } = this.#options;
    if (!this.#lease) return;
    try {
      await client.update<Lease>(
        leases,
        { ...this.#lease, spec: { ...this.#lease.spec, holderIdentity: '', leaseDurationSeconds: 1 } },
        { timeoutMs: 2_000 },
      );
    } catch (error) {
      log.debug('Cannot give the lease back', { error });
    }
    this.#lease = undefined;
  }

  /** A foreign Lease counts as expired when it has not changed for its duration on *our* clock: clocks may differ. */
  #mayTake({ metadata, spec }: Lease): boolean {
    const nowMs = this.#clock.now();
    if (!this.#observed || this.#observed.resourceVersion !== metadata?.resourceVersion) {
      this.#observed = { resourceVersion: metadata?.resourceVersion, sinceMs: nowMs };
    }
    const holder = spec?.holderIdentity ?? '';
    if (holder === '' || holder === this.#options.identity) return true;
    const durationMs = (spec?.leaseDurationSeconds ?? 15) * 1000;
    return nowMs - this.#observed.sinceMs >= durationMs;
  }

  #spec(present: Lease | undefined): NonNullable<Lease['spec']> {
    const now = formatMicroTime(this.#clock.now());
    const { identity, leaseDurationMs = 15_000 } = this.#options;
    const ours = present?.spec?.holderIdentity === identity;
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.round(leaseDurationMs / 1000),
      acquireTime: ours ? (present?.spec?.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: (present?.spec?.leaseTransitions ?? 0) + (present && !ours ? 1 : 0),
    };
  }
}

function absentAsUndefined(error: unknown): undefined {
  if (error instanceof ApiError && error.reason === 'NotFound') return undefined;
  throw error;
}
