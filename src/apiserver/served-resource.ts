import { convertObject } from '../api/conversion.ts';
import { formatApiVersion, type JsonKubeObject } from '../api/object.ts';
import type { ResourceInfo } from '../api/resource-info.ts';
import type { CachedObject } from './cached-object.ts';
import type { Strategy } from './strategy.ts';
import type { WatchCache } from './watch-cache.ts';

/** One resource in one served version: how it is stored and how it looks from outside. */
export class ServedResource {
  /** As the URL names it. */
  readonly info: ResourceInfo;
  /** As it is stored. */
  readonly storage: ResourceInfo;
  readonly cache: WatchCache;
  readonly strategy: Strategy;
  /** Whether the stored bytes can be served as they are. */
  readonly #direct: boolean;

  constructor(init: {
    info: ResourceInfo;
    storage: ResourceInfo;
    cache: WatchCache;
    strategy: Strategy;
  }) {
    this.info = init.info;
    this.storage = init.storage;
    this.cache = init.cache;
    this.strategy = init.strategy;
    this.#direct = init.info.version === init.storage.version && init.info.group === init.storage.group;
  }

  get apiVersion(): string {
    return formatApiVersion(this.info.group, this.info.version);
  }

  /** Names this version among what is derived from an object. */
  get versionKey(): string {
    return `${this.info.group}/${this.info.version}`;
  }

  /** The object's JSON in the served version. */
  json(object: CachedObject): Buffer {
    if (this.#direct) return object.json;
    return object.derive(`json ${this.versionKey}`, () => Buffer.from(JSON.stringify(this.object(object))));
  }

  /** The object in the served version; shared, never to be changed. */
  object(object: CachedObject): Readonly<JsonKubeObject> {
    if (this.#direct) return object.object;
    return object.derive(`object ${this.versionKey}`, () => this.fromStorage(object.object));
  }

  /** An object in its storage version as the served one. */
  fromStorage(object: JsonKubeObject): JsonKubeObject {
    return this.#direct ? object : convertObject(object, this.storage, this.info);
  }

  /** An object of the served version as it will be stored. */
  toStorage(object: JsonKubeObject): JsonKubeObject {
    return this.#direct ? object : convertObject(object, this.info, this.storage);
  }

  /** The key in the store. */
  key(namespace: string, name: string): string {
    return `${this.storage.storagePrefix}${namespace === '' ? '' : `${namespace}/`}${name}`;
  }
}
