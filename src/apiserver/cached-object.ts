import type { JsonKubeObject } from '../api/object.ts';
import { encodeText } from '../lib/bytes.ts';

const anchor = encodeText('"metadata":{');
const quote = 0x22;
const closing = 0x7d;

/**
 * One object at one revision: the bytes that are served, and what has been derived from them so far.
 * Shared by all requests and watchers; nobody changes it.
 */
export class CachedObject {
  /** `default/web-0`, or `node-1` for what has no namespace: the key behind the resource's prefix. */
  readonly id: string;
  readonly namespace: string;
  readonly name: string;
  readonly revision: number;
  readonly createRevision: number;
  /** The object's JSON with its resourceVersion. */
  readonly json: Buffer;
  #object: JsonKubeObject | undefined;
  #derived: Map<string, unknown> | undefined;

  constructor(init: { id: string; stored: Uint8Array; revision: number; createRevision: number }) {
    this.id = init.id;
    const slash = init.id.indexOf('/');
    this.namespace = slash < 0 ? '' : init.id.slice(0, slash);
    this.name = init.id.slice(slash + 1);
    this.revision = init.revision;
    this.createRevision = init.createRevision;
    this.json = spliceRevision(init.stored, init.revision);
  }

  /** The parsed object. Shared: never change it. */
  get object(): Readonly<JsonKubeObject> {
    this.#object ??= JSON.parse(this.json.toString()) as JsonKubeObject; // what this server stored is an object
    return this.#object;
  }

  /** The same object as it was last, at the revision of its deletion. */
  deletedAt(revision: number): CachedObject {
    const { id, createRevision } = this;
    return new CachedObject({ id, stored: withoutRevision(this.json), revision, createRevision });
  }

  /** Drops what was derived: nobody will ask a replaced object often. */
  forget(): void {
    this.#object = undefined;
    this.#derived = undefined;
  }

  /** Something computed from this object once, for example its protobuf bytes. `key` says what. */
  derive<T>(key: string, compute: (self: CachedObject) => T): T {
    this.#derived ??= new Map();
    if (this.#derived.has(key)) return this.#derived.get(key) as T; // one key is always computed by one function
    const value = compute(this);
    this.#derived.set(key, value);
    return value;
  }
}

/** Puts `"resourceVersion":"N"` first into the metadata of a stored value. */
export function spliceRevision(stored: Uint8Array, revision: number): Buffer {
  const source = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
  const at = source.indexOf(anchor) + anchor.length;
  if (at < anchor.length) throw new Error('A stored object has no metadata');
  const insert = `"resourceVersion":"${revision}"${source[at] === closing ? '' : ','}`;
  const spliced = Buffer.allocUnsafeSlow(source.length + insert.length);
  source.copy(spliced, 0, 0, at);
  spliced.write(insert, at, 'latin1');
  source.copy(spliced, at + insert.length, at);
  return spliced;
}

/** The stored form again. */
function withoutRevision(json: Buffer): Buffer {
  const at = json.indexOf(anchor) + anchor.length;
  const valueStart = at + '"resourceVersion":"'.length;
  let end = json.indexOf(quote, valueStart) + 1;
  if (json[end] === 0x2c) end++; // the comma
  return Buffer.concat([json.subarray(0, at), json.subarray(end)]);
}

/**
 * The bytes to store: kind and apiVersion first, then metadata without resourceVersion, so that the revision can be spliced in.
 */
export function encodeStored(object: JsonKubeObject): Uint8Array {
  const { kind, apiVersion, metadata, ...rest } = object;
  const { resourceVersion: _dropped, ...kept } = metadata;
  return Buffer.from(JSON.stringify({ kind, apiVersion, metadata: kept, ...rest }));
}
