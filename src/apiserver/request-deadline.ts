import { ApiError, badRequest } from '../api/errors.ts';
import type { Exchange } from './exchange.ts';
import type { ExchangeBase } from './exchange-base.ts';
import { sendError } from './respond.ts';

/**
 * Ends a request that takes longer than its `timeout` parameter, or than the server's limit, with 504. The caller clears the timer.
 * @throws {ApiError} `BadRequest` for a `timeout` that is no duration
 */
export function startDeadline(exchange: Exchange & ExchangeBase, maxMs: number): NodeJS.Timeout {
  const asked = exchange.query.get('timeout');
  const ms = asked ? Math.min(parseDuration(asked), maxMs) : maxMs;
  return setTimeout(expire, ms, exchange).unref();
}

function expire(exchange: Exchange & ExchangeBase): void {
  const error = new ApiError('Timeout', 'Timeout: request did not complete within the allotted timeout');
  exchange.abort(error);
  if (!exchange.responded) void sendError(exchange, error);
}

const units: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** A Go duration such as `32s` or `1m30s` in milliseconds. @throws {ApiError} `BadRequest` */
function parseDuration(text: string): number {
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)) {
    throw badRequest(`invalid timeout specified in the request URL - time: invalid duration ${JSON.stringify(text)}`);
  }
  let ms = 0;
  for (const [, number, , unit = ''] of text.matchAll(/(\d+(\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
    ms += Number(number) * (units[unit] ?? 0);
  }
  return ms;
}
