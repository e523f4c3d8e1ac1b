/** Verbs that only read. */
const reads: ReadonlySet<string> = new Set(['get', 'list', 'watch']);

export interface InFlightLimits {
  readonly reads: number;
  readonly writes: number;
}

/** Counts the requests that are being worked on, and refuses more than the limits. Long-running ones are not counted. */
export class InFlight {
  readonly #limits: InFlightLimits;
  #reads = 0;
  #writes = 0;

  constructor(limits: InFlightLimits) {
    this.#limits = limits;
  }

  get reads(): number {
    return this.#reads;
  }

  get writes(): number {
    return this.#writes;
  }

  /** Takes a place, or says that there is none. `release` gives it back. */
  enter(verb: string): boolean {
    if (reads.has(verb)) {
      if (this.#reads >= this.#limits.reads) return false;
      this.#reads++;
    } else {
      if (this.#writes >= this.#limits.writes) return false;
      this.#writes++;
    }
    return true;
  }

  release(verb: string): void {
    if (reads.has(verb)) this.#reads--;
    else this.#writes--;
  }
}
