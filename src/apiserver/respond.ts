import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { ApiError, internalError, type Status } from '../api/errors.ts';
import type { GroupVersionKind, JsonKubeObject } from '../api/object.ts';
import { encodeText } from '../lib/bytes.ts';
import { formatYaml } from '../lib/yaml.ts';
import { encodeProtobufObject } from '../wire/object-protobuf.ts';
import type { Body, Exchange, Headers } from './exchange.ts';
import { accepted, contentTypes, type Format, plainJson, wantsPretty } from './negotiation.ts';

/** Answers smaller than this are not worth compressing. */
export const minGzipBytes = 128 * 1024;
const gzipAsync = promisify(gzip);

export function acceptsGzip(exchange: Exchange): boolean {
  const header = exchange.headers['accept-encoding'];
  return typeof header === 'string' && header.includes('gzip');
}

/** Answers an object that is not in the cache: a `Status`, a review, a scale, the result of a dry run. */
export async function sendObject(
  exchange: Exchange,
  status: number,
  { object, gvk, format = 'json' }: { object: JsonKubeObject; gvk: GroupVersionKind; format?: Format },
): Promise<void> {
  if (format === 'protobuf') return sendBytes(exchange, status, { format, bytes: encodeProtobufObject(object, gvk) });
  await sendBytes(exchange, status, { format, bytes: encodeText(formatJson(exchange, object, format)) });
}

/** Answers JSON bytes of one object, or what they mean in YAML. */
export async function sendJsonBytes(
  exchange: Exchange,
  status: number,
  json: Uint8Array,
  format: Format,
): Promise<void> {
  if (format === 'json' && !wantsPretty(exchange)) return sendBytes(exchange, status, { format, bytes: json });
  const value: unknown = JSON.parse(Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString());
  await sendBytes(exchange, status, { format, bytes: encodeText(formatJson(exchange, value, format)) });
}

/** Answers finished bytes, compressed where that pays. */
export async function sendBytes(
  exchange: Exchange,
  status: number,
  { format, bytes, contentType = contentTypes[format] }: { format: Format; bytes: Uint8Array; contentType?: string },
): Promise<void> {
  const headers: Headers = { 'content-type': contentType };
  if (bytes.length <= minGzipBytes || !acceptsGzip(exchange)) return exchange.respond(status, headers, bytes);
  const zipped = await gzipAsync(bytes, { level: 1 });
  sendGzip(exchange, status, { contentType, zipped });
}

export function sendGzip(
  exchange: Exchange,
  status: number,
  { contentType, zipped }: { contentType: string; zipped: Body },
): void {
  const headers = { 'content-type': contentType, 'content-encoding': 'gzip', vary: 'Accept-Encoding' };
  exchange.respond(status, headers, zipped);
}

/** Answers an error as a `Status` in the format asked for; in JSON where nothing fits. */
export async function sendError(exchange: Exchange, error: unknown): Promise<void> {
  if (exchange.responded) return exchange.closeConnection();
  const refusal = toApiError(error);
  const retryAfter = refusal.details?.retryAfterSeconds;
  if (retryAfter !== undefined && retryAfter > 0) exchange.setHeader('retry-after', retryAfter);
  const format = (accepted(String(exchange.headers['accept'] ?? '*/*')) ?? plainJson).format;
  await sendStatus(exchange, refusal.code, refusal.status, format);
}

export async function sendStatus(exchange: Exchange, code: number, status: Status, format: Format): Promise<void> {
  const object = status as unknown as JsonKubeObject; // a Status is JSON with metadata
  await sendObject(exchange, code, { object, gvk: { group: '', version: 'v1', kind: 'Status' }, format });
}

/** What a client is told of any failure. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  return internalError(error instanceof Error ? error.message : String(error), { cause: error });
}

export function sendText(exchange: Exchange, status: number, text: string, headers: Headers = {}): void {
  exchange.respond(status, { 'content-type': 'text/plain; charset=utf-8', ...headers }, text);
}

function formatJson(exchange: Exchange, value: unknown, format: Format): string {
  if (format === 'yaml') return formatYaml(value);
  return wantsPretty(exchange) ? `${JSON.stringify(value, null, 2)}\n` : `${JSON.stringify(value)}\n`;
}
