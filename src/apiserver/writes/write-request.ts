import type { JsonObject } from '../../api/object.ts';
import type { UserInfo } from '../../auth/user.ts';
import type { AdmissionAttributes, Operation } from '../admission/admission.ts';
import type { ServedResource } from '../served-resource.ts';
import type { ApiServices } from '../services.ts';
import type { StrategyContext } from '../strategy.ts';

/** Who writes what, common to create, update and delete. */
export interface WriteRequest {
  readonly resource: ServedResource;
  /** `''` for the resource itself. */
  readonly subresource: string;
  readonly namespace: string;
  /** `''` on create: the object says. */
  readonly name: string;
  readonly user: UserInfo;
  /** Of the client's end of the connection; absent where the server itself writes. */
  readonly sourceAddress?: string;
  readonly dryRun: boolean;
  /** CreateOptions, UpdateOptions, PatchOptions or DeleteOptions. */
  readonly options: JsonObject;
  /** What the server itself writes, such as its own address, is not judged by the rules for users. */
  readonly trusted?: boolean;
  warn(message: string): void;
  /** Adds to the audit event. */
  annotate?(key: string, value: string): void;
  /** Aborts when the client goes away or the request's deadline passes. */
  signal?(): AbortSignal;
}

export function strategyContext(services: ApiServices, request: WriteRequest, name = request.name): StrategyContext {
  const { resource, subresource, namespace, user, sourceAddress, dryRun } = request;
  const { clock, objects } = services;
  return {
    resource: resource.storage,
    subresource,
    namespace,
    name,
    user,
    ...(sourceAddress !== undefined && { sourceAddress }),
    dryRun,
    clock,
    objects,
  };
}

export function admissionAttributes(
  request: WriteRequest,
  init: { operation: Operation } & Pick<AdmissionAttributes, 'object' | 'oldObject'> & { name?: string },
): AdmissionAttributes {
  const { resource, subresource, namespace, user, dryRun, options, signal } = request;
  return {
    operation: init.operation,
    resource: resource.storage,
    requested: resource.info,
    subresource,
    namespace,
    name: init.name ?? request.name,
    user,
    dryRun,
    object: init.object,
    oldObject: init.oldObject,
    options,
    warn: (message) => request.warn(message),
    annotate: (key, value) => request.annotate?.(key, value),
    ...(signal && { signal: () => signal.call(request) }),
  };
}
