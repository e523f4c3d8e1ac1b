import { ApiError, type StatusDetails, type StatusReason, statusCodes } from '../api/errors.ts';
import { decodeText } from '../lib/bytes.ts';
import type { RawResponse } from './client.ts';

/** The error that an answer without success carries: its `Status`, or else what its code and text tell. */
export function statusError({ status, body }: RawResponse, what: string): ApiError {
  const text = decodeText(body);
  const parsed = parseStatus(text);
  if (parsed) {
    const { message, reason, details } = parsed;
    const options = { code: status, ...(details && { details }) };
    return new ApiError(isReason(reason) ? reason : '', message ?? `${what}: HTTP ${status}`, options);
  }
  const line = text.trim().slice(0, 512);
  return new ApiError(reasonOf(status), line === '' ? `${what}: HTTP ${status}` : `${what}: HTTP ${status}: ${line}`, {
    code: status,
  });
}

/** The error of a watch's `ERROR` event. */
export function watchError(object: unknown): ApiError {
  const status = asStatus(object);
  const code = status?.code ?? 500;
  return new ApiError(isReason(status?.reason) ? status.reason : reasonOf(code), status?.message ?? 'watch failed', {
    code,
    ...(status?.details && { details: status.details }),
  });
}

interface LooseStatus {
  message?: string;
  reason?: string;
  code?: number;
  details?: StatusDetails;
}

function parseStatus(text: string): LooseStatus | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    return asStatus(JSON.parse(text));
  } catch {
    return undefined; // Some proxy's text; the caller shows it as it is.
  }
}

function asStatus(value: unknown): LooseStatus | undefined {
  if (typeof value !== 'object' || value === null || !('kind' in value) || value.kind !== 'Status') return undefined;
  const { message, reason, code, details } = value as Record<string, unknown>;
  return {
    ...(typeof message === 'string' && { message }),
    ...(typeof reason === 'string' && { reason }),
    ...(typeof code === 'number' && { code }),
    // Details are shown, never acted on beyond optional strings and numbers.
    ...(typeof details === 'object' && details !== null && { details: details as StatusDetails }),
  };
}

function isReason(reason: string | undefined): reason is StatusReason {
  return reason !== undefined && Object.hasOwn(statusCodes, reason);
}

function reasonOf(code: number): StatusReason | '' {
  if (code === 409) return 'Conflict';
  if (code === 410) return 'Expired';
  const found = Object.entries(statusCodes).find(([, known]) => known === code);
  // Every key of `statusCodes` is a StatusReason.
  return found && code !== 500 ? (found[0] as StatusReason) : '';
}
