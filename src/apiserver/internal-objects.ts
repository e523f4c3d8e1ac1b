import { ApiError, notFound } from '../api/errors.ts';
import type { JsonKubeObject, KubeObject } from '../api/object.ts';
import { scheme } from '../api/scheme.ts';
import type { ObjectKey } from '../auth/object-source.ts';
import type { UserInfo } from '../auth/user.ts';
import type { LiveObjects } from './admission/live-objects.ts';
import type { CachedObject } from './cached-object.ts';
import type { ServedResource } from './served-resource.ts';
import type { ApiServices } from './services.ts';
import { createObject } from './writes/create-object.ts';
import { deleteObject } from './writes/delete-object.ts';
import { updateObject } from './writes/update-object.ts';
import type { WriteRequest } from './writes/write-request.ts';

/** The API server's own identity. */
export const apiServerUser: UserInfo = {
  username: 'system:apiserver',
  uid: '',
  groups: ['system:masters', 'system:authenticated'],
  extra: {},
};

/** The API server's own reads and writes, without a request. Resources are named as an `ObjectSource` names them; types are the storage versions'. */
export class InternalObjects implements LiveObjects {
  readonly #services: ApiServices;

  /** Writes go through these services' admission plugins. */
  constructor(services: ApiServices) {
    this.#services = services;
  }

  async get<T extends KubeObject>(resource: string, { namespace, name }: ObjectKey): Promise<T | undefined> {
    await this.#services.feed.reachNewest();
    return this.#resource(resource).cache.get(namespace, name)?.object as KubeObject | undefined as T | undefined; // the caller names resource and type together
  }

  async create<T extends KubeObject>(resource: string, object: T): Promise<void> {
    const request = this.#request(resource, { namespace: object.metadata?.namespace ?? '', name: '' });
    // Written by `encodeStored`; typed models are plain JSON.
    await createObject(this.#services, request, structuredClone(object) as unknown as JsonKubeObject);
  }

  /** The same, where another server may have been first. */
  async ensureCreated<T extends KubeObject>(resource: string, object: T): Promise<void> {
    try {
      await this.create(resource, object);
    } catch (error) {
      if (!(error instanceof ApiError) || error.reason !== 'AlreadyExists') throw error;
    }
  }

  async update<T extends KubeObject>(resource: string, object: T): Promise<T> {
    const { name = '', namespace = '' } = object.metadata ?? {};
    const request = this.#request(resource, { namespace, name });
    const compute = () => structuredClone(object) as unknown as JsonKubeObject;
    const written = await updateObject(this.#services, { ...request, replaces: true, compute });
    return (written.stored ? written.object.object : written.object) as KubeObject as T;
  }

  /** Changes the status of what is stored now; `undefined` where the object is not there any more. */
  async updateStatus<T extends KubeObject>(
    resource: string,
    key: ObjectKey,
    change: (object: T) => T,
  ): Promise<T | undefined> {
    const request = { ...this.#request(resource, key), subresource: 'status' };
    const compute = (old: CachedObject) =>
      change(structuredClone(old.object) as KubeObject as T) as unknown as JsonKubeObject;
    try {
      const written = await updateObject(this.#services, { ...request, replaces: false, compute });
      return (written.stored ? written.object.object : written.object) as KubeObject as T;
    } catch (error) {
      if (error instanceof ApiError && error.reason === 'NotFound') return undefined;
      throw error;
    }
  }

  async delete(resource: string, { namespace, name }: ObjectKey): Promise<void> {
    await deleteObject(this.#services, this.#request(resource, { namespace, name }));
  }

  #request(resource: string, { namespace, name }: ObjectKey): WriteRequest {
    return {
      resource: this.#resource(resource),
      subresource: '',
      namespace,
      name,
      user: apiServerUser,
      dryRun: false,
      options: {},
      trusted: true,
      warn() {},
    };
  }

  #resource(resource: string): ServedResource {
    const dot = resource.indexOf('.');
    const group = dot < 0 ? '' : resource.slice(dot + 1);
    const info = scheme.storage(group, dot < 0 ? resource : resource.slice(0, dot));
    if (!info) throw notFound({ group, resource }, '');
    return this.#services.resource(info);
  }
}
