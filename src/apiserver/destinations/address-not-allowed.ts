import { ApiError } from '../../api/errors.ts';

/** Upstream's words for every guarded address; why, beside them. */
export function addressNotAllowed(why: string): ApiError {
  return new ApiError('BadRequest', 'address not allowed', {
    details: { causes: [{ reason: 'AddressNotAllowed', message: why }] },
  });
}
