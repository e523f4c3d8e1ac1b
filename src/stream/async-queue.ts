/** Values pushed by one side and iterated once by another. Who pushes bounds how many there can be. */
export class AsyncQueue<T> implements AsyncIterable<T> {
  readonly #values: T[] = [];
  #over = false;
  #error: Error | undefined;
  #wake = () => {};

  push(value: T): void {
    if (this.#over) return;
    this.#values.push(value);
    this.#wake();
  }

  /** Ends the iteration behind what has been pushed; with `error` it throws there. */
  end(error?: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#error = error;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void> {
    while (true) {
      const [value] = this.#values.splice(0, 1);
      if (value !== undefined) {
        yield value;
      } else if (this.#over) {
        if (this.#error) throw this.#error;
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}
