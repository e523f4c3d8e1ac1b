import type { Probe } from '../../api/kubernetes/core-v1.ts';
import type { Clock } from '../../lib/clock.ts';
import { type ProbeTarget, runProbe } from './probe.ts';

export type ProbeKind = 'startup' | 'liveness' | 'readiness';

export interface ContainerProbesOptions {
  readonly target: ProbeTarget;
  readonly clock: Clock;
  /** Called when readiness or `started` changes. */
  readonly changed: () => void;
  /** Called once: the container must be stopped and restarted by its policy. */
  readonly unhealthy: (kind: 'startup' | 'liveness', message: string) => void;
  /** Each failed try, for the `Unhealthy` event; and each try, for the metrics. */
  readonly failed: (kind: ProbeKind, message: string) => void;
  readonly tried: (kind: ProbeKind, success: boolean) => void;
}

/** The probes of one running container. The startup probe goes first; until it has succeeded the others wait. */
export class ContainerProbes implements Disposable {
  readonly #options: ContainerProbesOptions;
  readonly #controller = new AbortController();
  #started: boolean;
  #ready: boolean;
  /** After a termination has begun only readiness goes on. */
  #ending = false;

  constructor(options: ContainerProbesOptions) {
    const { container } = options.target;
    this.#options = options;
    this.#started = !container.startupProbe;
    this.#ready = !container.readinessProbe;
    void this.#run();
  }

  get started(): boolean {
    return this.#started;
  }

  get ready(): boolean {
    return this.#started && this.#ready;
  }

  /** Stops startup and liveness: the container is being stopped. */
  end(): void {
    this.#ending = true;
  }

  [Symbol.dispose](): void {
    this.#controller.abort();
  }

  async #run(): Promise<void> {
    const { startupProbe, livenessProbe, readinessProbe } = this.#options.target.container;
    if (startupProbe) {
      await this.#loop('startup', startupProbe, (success) => {
        if (success) {
          this.#started = true;
          this.#options.changed();
        }
        return success;
      });
    }
    if (!this.#started || this.#controller.signal.aborted) return;
    if (livenessProbe) void this.#loop('liveness', livenessProbe, () => false);
    if (readinessProbe) {
      void this.#loop('readiness', readinessProbe, (success) => {
        if (success !== this.#ready) {
          this.#ready = success;
          this.#options.changed();
        }
        return false;
      });
    }
  }

  /** Tries until `judged` says that it is enough, or the container is to be restarted. */
  async #loop(kind: ProbeKind, probe: Probe, judged: (success: boolean) => boolean): Promise<void> {
    const { clock, target, failed, tried, unhealthy } = this.#options;
    const { signal } = this.#controller;
    const { successThreshold = 1, failureThreshold = 3, periodSeconds = 10, initialDelaySeconds = 0 } = probe;
    const pause = (ms: number) => clock.delay(ms, { signal }).catch(() => {});
    let last: boolean | undefined;
    let count = 0;
    await pause(initialDelaySeconds * 1000);
    while (!signal.aborted) {
      if (this.#ending && kind !== 'readiness') return;
      const { success, message } = await runProbe(probe, target);
      if (signal.aborted || (this.#ending && kind !== 'readiness')) return;
      tried(kind, success);
      if (!success) failed(kind, message);
      count = success === last ? count + 1 : 1;
      last = success;
      if (count >= (success ? successThreshold : failureThreshold)) {
        if (judged(success)) return;
        if (!success && kind !== 'readiness') return unhealthy(kind, message);
      }
      await pause(periodSeconds * 1000);
    }
  }
}
