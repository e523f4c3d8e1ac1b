/** Upstream, too, stops telling at a hundred; without bounds a small body could ask for gigabytes of complaints. */
export const maxComplaints = 100;
const maxPathLength = 4096;

/** What one decoding has met: where it is, what it complained about. */
export class DecodeContext {
  /** Go's names of the fields around the current one; list indices and map keys are not in it. */
  readonly #fields: string[] = [];
  /** The path as Kubernetes prints it in strict errors. */
  readonly #path: string[] = [];
  #struct = '';
  /** The first type error, in Go's words. */
  error: string | undefined;
  /** Unknown fields in the order met; `undefined` when nobody asks for them. */
  readonly unknown: string[] | undefined;

  constructor({ collectUnknown }: { collectUnknown: boolean }) {
    this.unknown = collectUnknown ? [] : undefined;
  }

  /** Enters a struct; returns what {@link leaveStruct} wants back. */
  enterStruct(name: string): string {
    const outer = this.#struct;
    this.#struct = name;
    return outer;
  }

  leaveStruct(outer: string): void {
    this.#struct = outer;
  }

  enterField(name: string): void {
    this.#fields.push(name);
    this.#path.push(this.#path.length === 0 ? name : `.${name}`);
  }

  leaveField(): void {
    this.#fields.pop();
    this.#path.pop();
  }

  enterElement(index: number): void {
    this.#path.push(`[${index}]`);
  }

  enterKey(key: string): void {
    this.#path.push(`.${key}`);
  }

  leaveElement(): void {
    this.#path.pop();
  }

  unknownField(name: string): void {
    if (this.unknown === undefined || this.unknown.length >= maxComplaints) return;
    const at = this.#path.length === 0 ? name : `${this.#path.join('')}.${name}`;
    this.unknown.push(`unknown field "${at.length > maxPathLength ? `${at.slice(0, maxPathLength)}...` : at}"`);
  }

  /** A value of another JSON type than Go's `goType` takes. */
  wrongType(value: unknown, goType: string): undefined {
    const where = this.#struct === '' ? 'Go value' : `Go struct field ${this.#struct}.${this.#fields.join('.')}`;
    return this.fail(`json: cannot unmarshal ${describe(value, goType)} into ${where} of type ${goType}`);
  }

  /** An error of a type's own `UnmarshalJSON`. */
  fail(message: string): undefined {
    this.error ??= message;
    return undefined;
  }
}

/** How Go's JSON decoder names a value; numbers that do not fit carry their text. */
function describe(value: unknown, goType: string): string {
  if (typeof value === 'number' && goType.startsWith('int')) return `number ${value}`;
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'boolean') return 'bool';
  return typeof value;
}
