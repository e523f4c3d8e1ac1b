import type { JsonKubeObject, JsonObject } from '../../api/object.ts';
import type { ResourceInfo } from '../../api/resource-info.ts';
import type { UserInfo } from '../../auth/user.ts';

export type Operation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';

/** One write, or one connection to a pod or node, on its way through admission. */
export interface AdmissionAttributes {
  readonly operation: Operation;
  readonly resource: ResourceInfo;
  /** The resource in the version of the request. @default `resource`, its storage version */
  readonly requested?: ResourceInfo;
  /** `''` for the resource itself. */
  readonly subresource: string;
  readonly namespace: string;
  /** May be `''` on create with `generateName`. */
  readonly name: string;
  readonly user: UserInfo;
  readonly dryRun: boolean;
  /** The new object; mutating plugins change it in place. Absent on DELETE. On CONNECT, the options. */
  readonly object: JsonKubeObject | undefined;
  /** What is stored now; never changed. Absent on CREATE. */
  readonly oldObject: Readonly<JsonKubeObject> | undefined;
  /** CreateOptions, UpdateOptions, PatchOptions or DeleteOptions. */
  readonly options: JsonObject;
  /** Adds a `Warning` header to the answer. */
  warn(message: string): void;
  /** Adds to the audit event. */
  annotate?(key: string, value: string): void;
  /** Aborts when the client goes away or the request's deadline passes. */
  signal?(): AbortSignal;
}

/**
 * One admission plugin. `admit` may change the object; when all have run, `validate` of each may refuse it.
 * `admit` that gives `reinvoke` has changed the object in ways that other plugins may care about: all `admit` are called once more.
 * Both refuse by throwing an `ApiError`, usually `forbidden(...)`.
 */
export interface AdmissionPlugin {
  /** Upstream's name: `ServiceAccount`. */
  readonly name: string;
  admit?(attributes: AdmissionAttributes): AdmitOutcome | Promise<AdmitOutcome>;
  validate?(attributes: AdmissionAttributes): void | Promise<void>;
}

// biome-ignore lint/suspicious/noConfusingVoidType: most plugins have nothing to say
export type AdmitOutcome = void | 'reinvoke';
