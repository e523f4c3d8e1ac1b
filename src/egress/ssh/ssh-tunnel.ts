import type { Duplex } from 'node:stream';
import { rejectOnAbort, TaskGroup } from '../../lib/async.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { SshAddress, SshSession } from './ssh-session.ts';

type TunnelState =
  | { readonly phase: 'connecting'; readonly settled: Promise<void> }
  | { readonly phase: 'open'; readonly session: SshSession }
  | { readonly phase: 'waiting'; readonly reason: string; readonly untilMs: number };

export interface SshTunnelOptions {
  /** Opens the connection; called again and again. */
  readonly connect: (signal: AbortSignal) => Promise<SshSession>;
  readonly onOpen: () => void;
  readonly onFailure: () => void;
  readonly clock: Clock;
  readonly log: Logger;
}

const firstRetryMs = 1000;
const maxRetryMs = 60_000;
/** A connection that lived so long starts the pauses anew. */
const healthyMs = 60_000;

/** One node's SSH connection: opened at once, and again with growing, jittered pauses whenever it ends. */
export class SshTunnel implements AsyncDisposable {
  readonly #options: SshTunnelOptions;
  readonly #tasks: TaskGroup;
  #state: TunnelState = { phase: 'connecting', settled: Promise.resolve() };
  #downSinceMs: number | undefined;

  constructor(options: SshTunnelOptions) {
    this.#options = options;
    this.#downSinceMs = options.clock.now();
    this.#tasks = new TaskGroup({ onError: (error) => options.log.error('SSH tunnel ended', { error }) });
    this.#tasks.run((signal) => this.#keepOpen(signal));
  }

  /** How long there has been no connection; 0 while there is one. */
  get downMs(): number {
    return this.#downSinceMs === undefined ? 0 : this.#options.clock.now() - this.#downSinceMs;
  }

  /** Opens a connection from the node to `address`. One that is being opened is waited for; one that failed is not. */
  async forward(address: SshAddress, signal: AbortSignal): Promise<Duplex> {
    while (this.#state.phase === 'connecting') {
      const done = new AbortController();
      await Promise.race([this.#state.settled, rejectOnAbort(signal, done.signal)]).finally(() => done.abort());
    }
    const state = this.#state as TunnelState; // it has changed while this waited
    if (state.phase === 'open') return state.session.forward(address, signal);
    if (state.phase !== 'waiting') throw new Error('no connection to its SSH server');
    const seconds = Math.max(0, Math.ceil((state.untilMs - this.#options.clock.now()) / 1000));
    throw new Error(`no connection to its SSH server: ${state.reason} (next attempt in ${seconds} s)`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#tasks[Symbol.asyncDispose]();
  }

  async #keepOpen(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    for (let attempt = 0; !signal.aborted; attempt++) {
      const startedMs = clock.now();
      const reason = await this.#connectOnce(signal);
      if (signal.aborted) return;
      if (clock.now() - startedMs >= healthyMs) attempt = 0;
      const pauseMs = Math.random() * Math.min(maxRetryMs, firstRetryMs * 2 ** attempt);
      this.#state = { phase: 'waiting', reason, untilMs: clock.now() + pauseMs };
      log.warn('SSH tunnel is down', { reason, retryMs: Math.round(pauseMs) });
      await clock.delay(pauseMs, { signal });
    }
  }

  /** One connection from its start to its end. Gives the reason of the end. */
  async #connectOnce(signal: AbortSignal): Promise<string> {
    const { connect, onOpen, onFailure, clock, log } = this.#options;
    const settled = Promise.withResolvers<void>();
    this.#state = { phase: 'connecting', settled: settled.promise };
    try {
      await using session = await connect(signal);
      this.#state = { phase: 'open', session };
      this.#downSinceMs = undefined;
      onOpen();
      log.info('SSH tunnel open');
      settled.resolve();
      const done = new AbortController();
      const error = await Promise.race([session.closed, rejectOnAbort(signal, done.signal)]).finally(() =>
        done.abort(),
      );
      return error ? error.message : 'the SSH server closed the connection';
    } catch (error) {
      if (!signal.aborted && this.#state.phase === 'connecting') onFailure();
      return error instanceof Error ? error.message : String(error);
    } finally {
      this.#downSinceMs ??= clock.now();
      // Whoever waits reads the state, which the caller sets in this turn.
      setImmediate(() => settled.resolve());
    }
  }
}
