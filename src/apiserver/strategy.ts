import type { FieldError } from '../api/field-error.ts';
import type { JsonKubeObject, JsonObject } from '../api/object.ts';
import type { ResourceInfo } from '../api/resource-info.ts';
import type { ObjectSource } from '../auth/object-source.ts';
import type { UserInfo } from '../auth/user.ts';
import type { Clock } from '../lib/clock.ts';

/** One write as a strategy sees it. */
export interface StrategyContext {
  /** In its storage version: strategies never see another. */
  readonly resource: ResourceInfo;
  /** `''` for the resource itself, otherwise for example `status`. */
  readonly subresource: string;
  readonly namespace: string;
  /** Already generated from `generateName`. */
  readonly name: string;
  readonly user: UserInfo;
  /** Of the client's end of the connection; absent where the server itself writes. */
  readonly sourceAddress?: string;
  readonly dryRun: boolean;
  readonly clock: Clock;
  readonly objects: ObjectSource;
}

/** Something taken for a write that is not written yet, for example a cluster IP. Exactly one of the two is called, once. */
export interface Reservation {
  /** The write is durable. */
  commit(): void;
  /** The write failed, was refused, or was a dry run. */
  rollback(): void;
}

/** Which names an object of this resource may have. */
export type NameRule = 'dns1123Subdomain' | 'dns1123Label' | 'dns1035Label' | 'pathSegment';

/**
 * What one resource does beyond the generic. Every member is optional; what is absent is the generic behaviour.
 * Objects come decoded, defaulted and in their storage version, after mutating admission. Members are synchronous and pure except for the
 * object they are told to change; they are called again whenever an optimistic write has to be repeated.
 *
 * The generic part has already done, before `prepareFor…`: uid, creationTimestamp, name generation, namespace; on update it restored
 * immutable metadata, and kept `status` (main resource) or everything but `status` and some metadata (`status` subresource) of the stored object.
 */
export interface Strategy {
  /** @default 'dns1123Subdomain' */
  readonly nameRule?: NameRule;
  /** PUT on a missing object creates it. @default false */
  readonly allowCreateOnUpdate?: boolean;
  /** PUT without a resourceVersion overwrites whatever is stored. @default true */
  readonly allowUnconditionalUpdate?: boolean;
  /** DELETE answers the object instead of a `Status`. @default false */
  readonly returnsDeletedObject?: boolean;
  /**
   * `spec`: metadata.generation starts at 1 and grows when `spec` changes; `object`: when anything but metadata and status changes;
   * `none`: it is not kept. @default 'none'
   */
  readonly generation?: 'spec' | 'object' | 'none';
  /** `status` is emptied on create and kept on updates of the main resource. @default the resource has a `status` subresource */
  readonly separateStatus?: boolean;

  /** Resets what clients may not set and fills what the server owns. Changes `object`. */
  prepareForCreate?(object: JsonKubeObject, context: StrategyContext): void;
  /** The same for an update of the resource or of `context.subresource`. Changes `object`, never `old`. */
  prepareForUpdate?(object: JsonKubeObject, old: Readonly<JsonKubeObject>, context: StrategyContext): void;

  /** Complaints about a new object. Object metadata, types and required fields are checked by the generic part. */
  validate?(object: Readonly<JsonKubeObject>, context: StrategyContext): FieldError[];
  /** Complaints about a changed object; should repeat those of `validate` that still hold. Not called without this member: then `validate` is. */
  validateUpdate?(
    object: Readonly<JsonKubeObject>,
    old: Readonly<JsonKubeObject>,
    context: StrategyContext,
  ): FieldError[];
  /** Texts for `Warning` headers. `old` is absent on create. */
  warnings?(
    object: Readonly<JsonKubeObject>,
    old: Readonly<JsonKubeObject> | undefined,
    context: StrategyContext,
  ): string[];

  /**
   * Seconds that a deletion waits for a graceful end, 0 for at once. `requested` is DeleteOptions.gracePeriodSeconds.
   * Without this member every deletion is at once.
   */
  gracePeriodSeconds?(object: Readonly<JsonKubeObject>, requested: number | undefined): number;
  /** Something beyond `metadata.finalizers` keeps a deleted object, such as a namespace's `spec.finalizers`. */
  keepsWhileDeleting?(object: Readonly<JsonKubeObject>): boolean;
  /** The object is being marked as deleted; a namespace becomes Terminating. Changes `object`. */
  markDeleting?(object: JsonKubeObject): void;
  /** DELETE ignores owners and dependents, as for events. @default false */
  readonly ignoresPropagation?: boolean;
  /** Refuses a deletion by throwing an `ApiError`. */
  checkDelete?(object: Readonly<JsonKubeObject>, options: JsonObject, context: StrategyContext): void;

  /**
   * Takes what the object needs from an allocator and writes it into the object; between `prepareFor…` and `validate…`, on dry runs too.
   * @throws {ApiError} usually `invalidObject(...)` when it cannot be had
   */
  reserve?(
    object: JsonKubeObject,
    old: Readonly<JsonKubeObject> | undefined,
    context: StrategyContext,
  ): Reservation | Promise<Reservation>;
  /** The object has gone from the store. */
  afterDelete?(object: Readonly<JsonKubeObject>, context: StrategyContext): void;
}
