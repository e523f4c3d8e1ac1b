/** How many may do something at once: others wait for their turn, first come first served. */
export class Slots {
  readonly #limit: number;
  readonly #waiting = new Set<() => void>();
  #taken = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** None is taken, and nobody waits. */
  get idle(): boolean {
    return this.#taken === 0;
  }

  /** Resolves with what gives the slot back; calling it again does nothing. @throws the signal's reason once it aborts */
  async take(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#taken >= this.#limit) await this.#turn(signal);
    else this.#taken++;
    let given = false;
    return () => {
      if (given) return;
      given = true;
      const [next] = this.#waiting;
      if (next) next();
      else this.#taken--;
    };
  }

  /** The slot goes from hand to hand: the count stays. */
  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const proceed = () => {
        this.#waiting.delete(proceed);
        signal.removeEventListener('abort', abandon);
        resolve();
      };
      const abandon = () => {
        this.#waiting.delete(proceed);
        reject(signal.reason);
      };
      this.#waiting.add(proceed);
      signal.addEventListener('abort', abandon, { once: true });
    });
  }
}
