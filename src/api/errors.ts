/** Reasons of `metav1.Status` that this server gives, with their HTTP codes. */
export const statusCodes = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Gone: 410,
  Expired: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  ServerTimeout: 500,
  ServiceUnavailable: 503,
  Timeout: 504,
} as const;

export type StatusReason = keyof typeof statusCodes;

export interface StatusCause {
  reason?: string;
  message?: string;
  field?: string;
}

export interface StatusDetails {
  name?: string;
  group?: string;
  /** The plural resource name; for `Invalid`, the Kind. */
  kind?: string;
  uid?: string;
  causes?: StatusCause[];
  /** Also sent as the `Retry-After` header. */
  retryAfterSeconds?: number;
}

/** A `metav1.Status`. */
export interface Status {
  kind: 'Status';
  apiVersion: 'v1';
  metadata: Record<string, never>;
  status: 'Success' | 'Failure';
  message?: string;
  reason?: StatusReason | '';
  details?: StatusDetails;
  code?: number;
}

export interface ApiErrorOptions extends ErrorOptions {
  details?: StatusDetails;
  /** Where the code is not the reason's own, for example 500 with an empty reason. */
  code?: number;
}

/** A request the API refuses. The client receives it as a `metav1.Status` with this reason and its HTTP code. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly reason: StatusReason | '';
  readonly code: number;
  readonly details: StatusDetails | undefined;

  constructor(reason: StatusReason | '', message: string, options: ApiErrorOptions = {}) {
    super(message, options);
    this.reason = reason;
    this.code = options.code ?? (reason === '' ? 500 : statusCodes[reason]);
    this.details = options.details;
  }

  get status(): Status {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: this.message,
      ...(this.reason !== '' && { reason: this.reason }),
      ...(this.details && { details: this.details }),
      code: this.code,
    };
  }
}

/** What a message about an object names: its plural resource and its group (`''` for core). */
export interface GroupResource {
  group: string;
  resource: string;
}

/** `pods`, or `deployments.apps`. */
export function formatGroupResource({ group, resource }: GroupResource): string {
  return group === '' ? resource : `${resource}.${group}`;
}

export function notFound(resource: GroupResource, name: string): ApiError {
  return new ApiError('NotFound', `${formatGroupResource(resource)} "${name}" not found`, {
    details: detailsOf(resource, name),
  });
}

export function alreadyExists(resource: GroupResource, name: string): ApiError {
  return new ApiError('AlreadyExists', `${formatGroupResource(resource)} "${name}" already exists`, {
    details: detailsOf(resource, name),
  });
}

/** An optimistic write that lost. `why` is the sentence after the colon. */
export function conflict(
  resource: GroupResource,
  name: string,
  why = 'the object has been modified; please apply your changes to the latest version and try again',
): ApiError {
  const message = `Operation cannot be fulfilled on ${formatGroupResource(resource)} "${name}": ${why}`;
  return new ApiError('Conflict', message, { details: detailsOf(resource, name) });
}

/** Refused by authorization or admission: `pods "x" is forbidden: <why>`; without a name `pods is forbidden: <why>`. */
export function forbidden(resource: GroupResource, name: string, why: string): ApiError {
  const subject = name === '' ? formatGroupResource(resource) : `${formatGroupResource(resource)} "${name}"`;
  return new ApiError('Forbidden', `${subject} is forbidden: ${why}`, { details: detailsOf(resource, name) });
}

export function badRequest(message: string, options?: ErrorOptions): ApiError {
  return new ApiError('BadRequest', message, options);
}

export function internalError(message: string, options?: ErrorOptions): ApiError {
  return new ApiError('InternalError', `Internal error occurred: ${message}`, {
    ...options,
    details: { causes: [{ message }] },
  });
}

function detailsOf({ group, resource }: GroupResource, name: string): StatusDetails {
  return { ...(name !== '' && { name }), ...(group !== '' && { group }), kind: resource };
}
