import { isDeepStrictEqual } from 'node:util';
import type { APIService } from '../../api/kubernetes/apiregistration-v1.ts';
import type { ObjectSource } from '../../auth/object-source.ts';
import { apiServicesResource } from './api-service-names.ts';
import { type RemoteApi, readRemoteApi } from './remote-api.ts';

/** All APIServices that others serve, by group-version: kept up with the watch cache. */
export class RemoteApis implements Disposable {
  readonly #byGroupVersion = new Map<string, RemoteApi>();
  readonly #subscription: Disposable;

  /** `changed` is called with the name of each APIService whose specification changes, or its presence; `statusChanged` otherwise. */
  constructor(
    objects: ObjectSource,
    { changed, statusChanged }: { changed: (name: string) => void; statusChanged: () => void },
  ) {
    this.#subscription = objects.subscribe<APIService>(apiServicesResource, ({ before, after }) => {
      const old = before && readRemoteApi(before);
      const now = after && readRemoteApi(after);
      if (old) this.#byGroupVersion.delete(`${old.group}/${old.version}`);
      if (now) this.#byGroupVersion.set(`${now.group}/${now.version}`, now);
      if (!old && !now) return;
      if (isDeepStrictEqual(before?.spec, after?.spec)) statusChanged();
      else changed((now ?? old)?.name ?? '');
    });
    for (const service of objects.list<APIService>(apiServicesResource)) {
      const api = readRemoteApi(service);
      if (api) this.#byGroupVersion.set(`${api.group}/${api.version}`, api);
    }
  }

  get size(): number {
    return this.#byGroupVersion.size;
  }

  get all(): Iterable<RemoteApi> {
    return this.#byGroupVersion.values();
  }

  find(group: string, version: string): RemoteApi | undefined {
    return this.#byGroupVersion.get(`${group}/${version}`);
  }

  hasGroup(group: string): boolean {
    for (const api of this.#byGroupVersion.values()) if (api.group === group) return true;
    return false;
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
  }
}
