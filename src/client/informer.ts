import { ApiError } from '../api/errors.ts';
import type { KubeObject } from '../api/object.ts';
import { type Logger, silentLogger } from '../lib/log.ts';
import type { ApiClient, ResourceRef, WatchEvent } from './client.ts';
import { pause } from './deadline.ts';
import { type Indexer, keyOf, ObjectIndex } from './object-index.ts';
import { watchError } from './status-error.ts';

export type Change<T> =
  | { readonly type: 'added'; readonly object: T }
  | { readonly type: 'updated'; readonly object: T; readonly previous: T }
  | { readonly type: 'deleted'; readonly object: T };

export interface InformerOptions<T extends KubeObject> {
  readonly client: ApiClient;
  readonly resource: ResourceRef;
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Keeps objects without spec and status. */
  readonly metadataOnly?: boolean;
  readonly indexers?: Readonly<Record<string, Indexer<T>>>;
  /** Cuts what nobody reads, before an object is kept; it may change its argument. `managedFields` are always cut. */
  readonly trim?: (object: T) => T;
  readonly log?: Logger;
}

const initialEventsEnd = 'k8s.io/initial-events-end';
const firstBackoffMs = 100;
const maxBackoffMs = 10_000;
/** A watch that ends sooner without an event counts as a failure, as in client-go. */
const shortWatchMs = 1_000;

/**
 * Keeps the objects of one resource at hand and tells of every change, over any number of watches.
 * Starts at once. Lists by WatchList where the server offers it; continues from the last bookmark after a break; lists again after 410.
 * Objects are shared by all readers: treat them as frozen.
 */
export class Informer<T extends KubeObject> implements AsyncDisposable {
  /** Resolves when the first list is complete; rejects if the informer is disposed before. */
  readonly synced: Promise<void>;
  readonly resource: ResourceRef;
  readonly #options: InformerOptions<T>;
  readonly #objects = new ObjectIndex<T>();
  readonly #listeners = new Set<(change: Change<T>) => void>();
  readonly #controller = new AbortController();
  readonly #log: Logger;
  readonly #running: Promise<void>;
  #resolveSynced: () => void = () => {};
  #hasSynced = false;
  #resourceVersion: string | undefined;
  #watchList = true;
  #failures = 0;

  constructor(options: InformerOptions<T>) {
    this.#options = options;
    this.resource = options.resource;
    this.#log = (options.log ?? silentLogger).with({ informer: options.resource.resource });
    for (const [name, indexer] of Object.entries(options.indexers ?? {})) this.#objects.addIndex(name, indexer);
    this.synced = new Promise((resolve, reject) => {
      this.#resolveSynced = resolve;
      this.#controller.signal.addEventListener('abort', () => reject(new Error('The informer was closed')));
    });
    this.synced.catch(() => {}); // Nobody has to await it.
    this.#running = this.#run(this.#controller.signal);
  }

  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  get size(): number {
    return this.#objects.size;
  }

  /** By `namespace/name`, or `name` for what is cluster-scoped. */
  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  values(): MapIterator<T> {
    return this.#objects.values();
  }

  addIndex(name: string, indexer: Indexer<T>): void {
    this.#objects.addIndex(name, indexer);
  }

  byIndex(name: string, value: string): T[] {
    return this.#objects.byIndex(name, value);
  }

  /** `listener` is called at once with all present objects as added, then with each change. The result ends it. */
  subscribe(listener: (change: Change<T>) => void): () => void {
    this.#listeners.add(listener);
    for (const object of [...this.#objects.values()]) this.#tell(listener, { type: 'added', object });
    return () => void this.#listeners.delete(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#controller.abort(new Error('The informer was closed'));
    this.#listeners.clear();
    await this.#running;
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const startedMs = performance.now();
      try {
        const events = this.#resourceVersion === undefined ? await this.#list(signal) : await this.#follow(signal);
        if (events === 0 && performance.now() - startedMs < shortWatchMs) this.#failures++;
        else this.#failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        this.#onError(error);
      }
      if (this.#failures === 0) continue;
      const full = Math.min(maxBackoffMs, firstBackoffMs * 2 ** (this.#failures - 1));
      await pause(full * (0.5 + Math.random() / 2), signal).catch(() => {});
    }
  }

  #onError(error: unknown): void {
    if (error instanceof ApiError && (error.code === 410 || error.code === 504)) {
      this.#log.debug('Informer lists again', { error });
      if (this.#resourceVersion === undefined) this.#failures++;
      this.#resourceVersion = undefined;
    } else if (error instanceof ApiError && this.#watchList && (error.code === 422 || error.code === 400)) {
      this.#watchList = false; // An older server: list, then watch.
    } else {
      if (this.#failures++ === 0) this.#log.debug('Watch failed', { error });
      else if (this.#failures % 5 === 0) this.#log.warn('Watch keeps failing', { error, failures: this.#failures });
    }
  }

  /** Gives how many events came. */
  async #list(signal: AbortSignal): Promise<number> {
    if (this.#watchList) return this.#consume({ sendInitialEvents: true }, signal, new Map());
    const { client, resource } = this.#options;
    const { metadata, items } = await client.list<T>(resource, { ...this.#selection(), resourceVersion: '0', signal });
    this.#replace(new Map(items.map((object) => [keyOf(object), this.#trim(object)])), metadata.resourceVersion ?? '');
    return 1;
  }

  #follow(signal: AbortSignal): Promise<number> {
    return this.#consume({ resourceVersion: this.#resourceVersion ?? '' }, signal, undefined);
  }

  async #consume(
    start: { sendInitialEvents: true } | { resourceVersion: string },
    signal: AbortSignal,
    initial: Map<string, T> | undefined,
  ): Promise<number> {
    let count = 0;
    let pending = initial;
    const { client, resource } = this.#options;
    for await (const event of client.watch<T>(resource, { ...this.#selection(), ...start, signal })) {
      count++;
      if (event.type === 'ERROR') throw watchError(event.object);
      if (!pending) this.#apply(event);
      else if (event.type !== 'BOOKMARK') collect(pending, event.type, this.#trim(event.object));
      else if (event.object.metadata?.annotations?.[initialEventsEnd] === 'true') {
        this.#replace(pending, event.object.metadata.resourceVersion ?? '');
        pending = undefined;
      }
    }
    return count;
  }

  #selection() {
    const { namespace, labelSelector, fieldSelector, metadataOnly } = this.#options;
    return {
      ...(namespace !== undefined && { namespace }),
      ...(labelSelector !== undefined && { labelSelector }),
      ...(fieldSelector !== undefined && { fieldSelector }),
      ...(metadataOnly && { metadataOnly }),
    };
  }

  #replace(objects: Map<string, T>, resourceVersion: string): void {
    for (const key of [...this.#objects.keys()]) if (!objects.has(key)) this.#remove(key);
    for (const [key, object] of objects) this.#put(key, object);
    this.#resourceVersion = resourceVersion;
    this.#hasSynced = true;
    this.#resolveSynced();
  }

  #apply(event: Exclude<WatchEvent<T>, { type: 'ERROR' }>): void {
    if (event.type === 'DELETED') this.#remove(keyOf(event.object), event.object);
    else if (event.type !== 'BOOKMARK') this.#put(keyOf(event.object), this.#trim(event.object));
    const { resourceVersion } = event.object.metadata ?? {};
    if (resourceVersion) this.#resourceVersion = resourceVersion;
  }

  #put(key: string, object: T): void {
    const previous = this.#objects.get(key);
    if (previous && previous.metadata?.resourceVersion === object.metadata?.resourceVersion) return;
    this.#objects.set(key, object);
    // Another uid is another object: the old one went while nobody watched.
    if (previous && previous.metadata?.uid !== object.metadata?.uid) {
      this.#tellAll({ type: 'deleted', object: previous });
      this.#tellAll({ type: 'added', object });
    } else this.#tellAll(previous ? { type: 'updated', object, previous } : { type: 'added', object });
  }

  #remove(key: string, last?: T): void {
    const previous = this.#objects.delete(key);
    if (previous) this.#tellAll({ type: 'deleted', object: last ? this.#trim(last) : previous });
  }

  #tellAll(change: Change<T>): void {
    for (const listener of this.#listeners) this.#tell(listener, change);
  }

  #tell(listener: (change: Change<T>) => void, change: Change<T>): void {
    try {
      listener(change);
    } catch (error) {
      this.#log.error('A listener failed', { error, key: keyOf(change.object) });
    }
  }

  #trim(object: T): T {
    if (object.metadata?.managedFields) delete object.metadata.managedFields;
    return this.#options.trim ? this.#options.trim(object) : object;
  }
}

function collect<T extends KubeObject>(objects: Map<string, T>, type: 'ADDED' | 'MODIFIED' | 'DELETED', object: T) {
  if (type === 'DELETED') objects.delete(keyOf(object));
  else objects.set(keyOf(object), object);
}
