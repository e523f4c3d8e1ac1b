import { X509Certificate } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { IssuedCertificate } from '../pki/certificate-authority.ts';

/** A certificate that is issued anew when two thirds of its life are over, while whoever uses it keeps running. */
export class RenewingCertificate implements AsyncDisposable {
  readonly #ensure: () => Promise<IssuedCertificate>;
  readonly #listeners = new Set<() => void>();
  readonly #abort = new AbortController();
  readonly #running: Promise<void>;
  #current: IssuedCertificate;

  private constructor(
    current: IssuedCertificate,
    ensure: () => Promise<IssuedCertificate>,
    { clock, log }: { clock: Clock; log: Logger },
  ) {
    this.#current = current;
    this.#ensure = ensure;
    this.#running = this.#run(clock, log);
  }

  /** `ensure` gives the present certificate while it is good, and a new one afterwards. */
  static async open(
    ensure: () => Promise<IssuedCertificate>,
    options: { clock: Clock; log: Logger },
  ): Promise<RenewingCertificate> {
    return new RenewingCertificate(await ensure(), ensure, options);
  }

  get current(): IssuedCertificate {
    return this.#current;
  }

  /** Calls back after each renewal. */
  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  async #run(clock: Clock, log: Logger): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      try {
        await clock.delay(this.#untilRenewalMs(clock.now()), { signal });
        const next = await this.#ensure();
        if (next.certificatePem === this.#current.certificatePem) continue;
        this.#current = next;
        for (const listener of this.#listeners) listener();
        log.info('Certificate renewed', { subject: new X509Certificate(next.certificatePem).subject });
      } catch (error) {
        if (!signal.aborted) log.error('Certificate could not be renewed', { error });
      }
    }
  }

  /** At least a minute, so that a certificate that cannot be renewed is tried again without haste; at most a day, so that sleep is noticed. */
  #untilRenewalMs(now: number): number {
    const { validFromDate, validToDate } = new X509Certificate(this.#current.certificatePem);
    const life = validToDate.getTime() - validFromDate.getTime();
    const due = validFromDate.getTime() + (life * 2) / 3 + 1000;
    return Math.min(Math.max(due - now, 60_000), 86_400_000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }
}
