/** All warnings of one answer may have this many characters; beyond that each is cut. */
const maxTotal = 4096;
const maxEach = 256;

/** Collects `Warning` headers: each text once. */
export class Warnings {
  readonly #texts = new Set<string>();

  add(text: string): void {
    this.#texts.add(text);
  }

  get size(): number {
    return this.#texts.size;
  }

  /** The header's values: `299 - "unknown field \"spec.foo\""`. */
  get headers(): string[] {
    const texts = [...this.#texts];
    const total = texts.reduce((sum, text) => sum + text.length, 0);
    const headers: string[] = [];
    let used = 0;
    for (const text of texts) {
      const cut = total > maxTotal ? text.slice(0, maxEach) : text;
      used += cut.length;
      if (used > maxTotal) break;
      headers.push(`299 - ${quote(cut)}`);
    }
    return headers;
  }
}

/** A quoted-string of visible ASCII; anything else would not survive in a header. */
function quote(text: string): string {
  const visible = text.replaceAll(/[\r\n\t]/g, ' ').replaceAll(/[^\x20-\x7e]/g, '?');
  return `"${visible.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}
