import { badRequest } from '../../api/errors.ts';

/** Where a chunked list goes on. */
export interface ContinueToken {
  /** -1: at whatever is newest. */
  readonly revision: number;
  /** The first key that comes next, behind the resource's prefix. */
  readonly start: string;
}

/** Opaque to clients; in upstream's form. */
export function encodeContinue({ revision, start }: ContinueToken): string {
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: revision, start })).toString('base64url');
}

/** @throws {ApiError} `BadRequest`, also for a token that leads out of the resource */
export function parseContinue(text: string): ContinueToken {
  let token: unknown;
  try {
    token = JSON.parse(Buffer.from(text, 'base64url').toString());
  } catch (error) {
    throw badRequest('continue key is not valid: it cannot be decoded', { cause: error });
  }
  const { v, rv, start } = (token ?? {}) as { v?: unknown; rv?: unknown; start?: unknown };
  if (v !== 'meta.k8s.io/v1')
    throw badRequest('continue key is not valid: server does not recognize this encoded version');
  if (typeof rv !== 'number' || !Number.isSafeInteger(rv) || rv === 0 || rv < -1) {
    throw badRequest('continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)');
  }
  if (typeof start !== 'string' || start === '') {
    throw badRequest('continue key is not valid: encoded start key empty (version meta.k8s.io/v1)');
  }
  if (start.startsWith('/') || start.split('/').some((segment) => segment === '.' || segment === '..')) {
    throw badRequest(`continue key is not valid: ${JSON.stringify(start)}`);
  }
  return { revision: rv, start };
}
