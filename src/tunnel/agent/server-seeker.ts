import { pause } from '../../client/deadline.ts';
import type { AgentServer } from './agent-config.ts';

/** What one look gave: a server that was new, one that is connected already, or none because none is wanted. */
export type SeekOutcome = 'added' | 'duplicate' | 'idle';

export interface ServerSeekerOptions {
  readonly server: AgentServer;
  /** Connects once, where a server is wanted. @throws where it does not come to a connection */
  readonly seek: (signal: AbortSignal) => Promise<SeekOutcome>;
  /** How many duplicates in a row are to be expected, as behind a load balancer, before looks become rarer. */
  readonly patience: () => number;
  readonly onFailure: (error: unknown, failures: number) => void;
  /** Between looks. */
  readonly intervalMs: number;
  /** Where waits end to grow. */
  readonly capMs: number;
  /** In [0, 1). */
  readonly random?: () => number;
}

/** The first wait after a failure; a server that restarts is back in a fraction of a second. */
const firstRetryMs = 100;
const retryFactor = 1.7;
const duplicateFactor = 1.5;
const jitter = 0.1;
/** Agents that lost one server together come back within so long. */
const wakeSpreadMs = 100;

/**
 * How long to wait after so many failures in a row: from a tenth of a second up to the cap, each between half and whole, so that thousands of agents
 * that lost their server together come back spread.
 */
export function retryDelayMs(failures: number, { capMs, random }: { capMs: number; random: () => number }): number {
  return Math.min(capMs, firstRetryMs * retryFactor ** (failures - 1)) * (0.5 + random() / 2);
}

/** Looks for servers at one address, again and again: often while something is missing, without a handshake while nothing is. */
export class ServerSeeker implements AsyncDisposable {
  readonly server: AgentServer;
  readonly #options: ServerSeekerOptions;
  readonly #random: () => number;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #wake = () => {};
  #failures = 0;
  #duplicates = 0;

  constructor(options: ServerSeekerOptions) {
    this.server = options.server;
    this.#options = options;
    this.#random = options.random ?? Math.random;
    this.#running = this.#run(this.#stop.signal);
  }

  /** In a row, up to now. */
  get failures(): number {
    return this.#failures;
  }

  /** Looks soon, as for the first time: something has changed. */
  wake(): void {
    this.#failures = 0;
    this.#duplicates = 0;
    this.#wake();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the agent was stopped'));
    await this.#running;
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let waitMs: number;
      try {
        waitMs = this.#settle(await this.#options.seek(signal));
      } catch (error) {
        if (signal.aborted) return;
        this.#failures++;
        this.#options.onFailure(error, this.#failures);
        waitMs = retryDelayMs(this.#failures, { capMs: this.#options.capMs, random: this.#random });
      }
      await this.#rest(waitMs, signal);
    }
  }

  #settle(outcome: SeekOutcome): number {
    const { intervalMs, capMs, patience } = this.#options;
    this.#failures = 0;
    if (outcome === 'added') this.#duplicates = 0;
    if (outcome === 'duplicate') this.#duplicates++;
    const steps = outcome === 'duplicate' ? Math.max(0, this.#duplicates - patience()) : 0;
    return Math.min(Math.max(capMs, intervalMs), intervalMs * duplicateFactor ** steps) * (1 + this.#random() * jitter);
  }

  async #rest(ms: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const stop = () => woken.abort();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    this.#wake = () => void setTimeout(stop, this.#random() * wakeSpreadMs).unref();
    await pause(ms, woken.signal).catch(() => {}); // woken is as good as rested
    this.#wake = () => {};
    signal.removeEventListener('abort', stop);
  }
}
