import type { KubeObject } from '../api/object.ts';
import type { ApiClient, ResourceRef } from '../client/client.ts';
import { Informer, type InformerOptions } from '../client/informer.ts';
import type { Logger } from '../lib/log.ts';

/** One informer for each resource, however many controllers read it; each starts when it is first asked for. */
export class SharedInformers implements AsyncDisposable {
  readonly #client: ApiClient;
  readonly #log: Logger;
  readonly #informers = new Map<string, Informer<KubeObject>>();

  constructor({ client, log }: { client: ApiClient; log: Logger }) {
    this.#client = client;
    this.#log = log;
  }

  /** `T` is the resource's model. */
  get<T extends KubeObject>(resource: ResourceRef): Informer<T> {
    return this.#open<T>(resource, {});
  }

  /** Metadata is enough: an informer that others have asked for is shared, else one without spec and status is started. */
  metadata(resource: ResourceRef): Informer<KubeObject> {
    return this.#informers.get(keyOf(resource)) ?? this.#open(resource, { metadataOnly: true });
  }

  /** Ends the informer of a resource that is served no more. */
  async end(resource: ResourceRef): Promise<void> {
    for (const key of [keyOf(resource), `${keyOf(resource)}#metadata`]) {
      const informer = this.#informers.get(key);
      this.#informers.delete(key);
      await informer?.[Symbol.asyncDispose]();
    }
  }

  /** Resolves when all that were asked for so far are complete. */
  async synced(): Promise<void> {
    await Promise.all([...this.#informers.values()].map(({ synced }) => synced));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#informers.values()].map((informer) => informer[Symbol.asyncDispose]()));
  }

  #open<T extends KubeObject>(resource: ResourceRef, options: Pick<InformerOptions<T>, 'metadataOnly'>): Informer<T> {
    const key = options.metadataOnly ? `${keyOf(resource)}#metadata` : keyOf(resource);
    const known = this.#informers.get(key);
    if (known) return known as unknown as Informer<T>; // One resource has one model.
    const informer = new Informer<T>({ client: this.#client, resource, log: this.#log, ...options });
    this.#informers.set(key, informer as unknown as Informer<KubeObject>);
    return informer;
  }
}

function keyOf({ group, resource }: ResourceRef): string {
  return `${resource}.${group}`;
}
