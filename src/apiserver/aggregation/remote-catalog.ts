import type { JsonObject } from '../../api/object.ts';
import { scheme } from '../../api/scheme.ts';
import { compareVersions } from '../../api/version-order.ts';
import type { RemoteGroup, RemoteGroups } from '../discovery/remote-groups.ts';
import type { RemoteOpenApi } from '../openapi/remote-openapi.ts';
import { isAvailable, type RemoteApi } from './remote-api.ts';
import type { RemoteApis } from './remote-apis.ts';
import type { RemoteDocuments } from './remote-documents.ts';

/** What extension API servers said about themselves, as discovery and OpenAPI show it. */
export class RemoteCatalog implements RemoteGroups, RemoteOpenApi {
  readonly #apis: RemoteApis;
  /** By the APIService's name; of another object of that name nothing is known. */
  readonly #documents = new Map<string, { readonly uid: string; readonly documents: RemoteDocuments }>();
  #generation = 0;

  constructor(apis: RemoteApis) {
    this.#apis = apis;
  }

  get generation(): number {
    return this.#generation;
  }

  /** APIServices, or their availability, have changed. */
  changed(): void {
    this.#generation++;
  }

  documents({ name, uid }: RemoteApi): RemoteDocuments | undefined {
    const known = this.#documents.get(name);
    return known?.uid === uid ? known.documents : undefined;
  }

  learn(api: RemoteApi, documents: RemoteDocuments): void {
    const before = this.documents(api);
    this.#documents.set(api.name, { uid: api.uid, documents });
    if (before?.hash !== documents.hash) this.changed();
    const present = new Set([...this.#apis.all].map(({ name }) => name));
    for (const name of this.#documents.keys()) if (!present.has(name)) this.#documents.delete(name);
  }

  isLocal(group: string): boolean {
    return scheme.groups.some(({ name }) => name === group);
  }

  groups(): readonly RemoteGroup[] {
    const groups = new Map<string, RemoteApi[]>();
    for (const api of this.#apis.all) groups.set(api.group, [...(groups.get(api.group) ?? []), api]);
    return [...groups.entries()]
      .map(([name, apis]) => ({
        name,
        priority: Math.max(...apis.map(({ groupPriority }) => groupPriority)),
        versions: apis.toSorted(byPreference).map((api) => ({
          version: api.version,
          priority: api.versionPriority,
          resources: this.documents(api)?.resources ?? [],
          current: isAvailable(api),
        })),
      }))
      .toSorted((a, b) => b.priority - a.priority || (a.name < b.name ? -1 : 1));
  }

  v3Urls(): ReadonlyMap<string, string> {
    const urls = new Map<string, string>();
    for (const api of this.#apis.all) {
      const url = isAvailable(api) ? this.documents(api)?.openApiV3Url : undefined;
      if (url !== undefined) urls.set(`apis/${api.group}/${api.version}`, url);
    }
    return urls;
  }

  v2Documents(): readonly { readonly prefix: string; readonly document: JsonObject }[] {
    return [...this.#apis.all].flatMap((api) => {
      const document = isAvailable(api) ? this.documents(api)?.openApiV2 : undefined;
      return document ? [{ prefix: `/apis/${api.group}/${api.version}/`, document }] : [];
    });
  }
}

function byPreference(a: RemoteApi, b: RemoteApi): number {
  return b.versionPriority - a.versionPriority || compareVersions(a.version, b.version);
}
