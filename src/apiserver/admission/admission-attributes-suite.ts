import { ApiError } from '../../api/errors.ts';
import type { JsonKubeObject, KubeObject } from '../../api/object.ts';
import type { ResourceInfo } from '../../api/resource-info.ts';
import type { ObjectKey } from '../../auth/object-source.ts';
import type { UserInfo } from '../../auth/user.ts';
import type { AdmissionAttributes, AdmissionPlugin, Operation } from './admission.ts';
import type { LiveObjects } from './live-objects.ts';
import { runAdmission } from './run-admission.ts';

/** What a test says about one request. */
export interface TestRequest {
  operation: Operation;
  /** `pods`, `pods/status`, `leases.coordination.k8s.io`. */
  resource: string;
  namespace?: string;
  name?: string;
  user?: Partial<UserInfo>;
  object?: object;
  oldObject?: object;
  dryRun?: boolean;
}

/** Attributes as the API server would build them. The object given is the one that plugins change. */
export function attributesFor(request: TestRequest): AdmissionAttributes {
  const [full = '', subresource = ''] = request.resource.split('/');
  const [resource = '', ...group] = full.split('.');
  const info = {
    group: group.join('.'),
    version: 'v1',
    kind: '',
    resource,
    namespaced: request.namespace !== undefined,
  };
  const withMetadata = (object: object | undefined) =>
    object === undefined ? undefined : (Object.assign(object, { metadata: {}, ...object }) as JsonKubeObject);
  return {
    operation: request.operation,
    resource: info as ResourceInfo, // plugins read nothing else of it
    subresource,
    namespace: request.namespace ?? '',
    name: request.name ?? '',
    user: { username: 'ann', uid: '', groups: [], extra: {}, ...request.user },
    dryRun: request.dryRun ?? false,
    object: withMetadata(request.object),
    oldObject: withMetadata(request.oldObject),
    options: {},
    warn() {},
  };
}

/** Runs both phases of one plugin; gives the message of the refusal, or `undefined`. */
export async function refusalOf(plugin: AdmissionPlugin, request: TestRequest): Promise<string | undefined> {
  try {
    await runAdmission([plugin], attributesFor(request));
    return undefined;
  } catch (error) {
    if (error instanceof ApiError) return error.message;
    throw error;
  }
}

/** A store in a map, with compare-and-swap on resourceVersion. */
export class MemoryLive implements LiveObjects {
  readonly #objects = new Map<string, KubeObject>();

  set(resource: string, object: KubeObject): void {
    this.#objects.set(keyOf(resource, object.metadata ?? {}), object);
  }

  async get<T extends KubeObject>(resource: string, key: ObjectKey): Promise<T | undefined> {
    return structuredClone(this.#objects.get(keyOf(resource, key))) as T | undefined; // the caller names the type
  }

  async update<T extends KubeObject>(resource: string, object: T): Promise<T> {
    const stored = this.#objects.get(keyOf(resource, object.metadata ?? {}));
    const version = stored?.metadata?.resourceVersion ?? '1';
    if (version !== (object.metadata?.resourceVersion ?? '1')) throw new ApiError('Conflict', 'stale');
    const next = { ...object, metadata: { ...object.metadata, resourceVersion: `${Number(version) + 1}` } };
    this.set(resource, next);
    return next;
  }
}

function keyOf(resource: string, { namespace = '', name = '' }: { namespace?: string; name?: string }): string {
  return `${resource}/${namespace}/${name}`;
}
