import { ApiError } from '../api/errors.ts';
import type { Exchange } from './exchange.ts';
import { isTrue } from './request-info.ts';

export type Format = 'json' | 'yaml' | 'protobuf';
export type Transform = 'none' | 'table' | 'partial';

/** How an answer is written. */
export interface Negotiated {
  readonly format: Format;
  readonly transform: Transform;
  /** Of the transformed answer: `meta.k8s.io/v1` or `v1beta1`. */
  readonly metaVersion: 'v1' | 'v1beta1';
}

export const contentTypes = {
  json: 'application/json',
  yaml: 'application/yaml',
  protobuf: 'application/vnd.kubernetes.protobuf',
} as const satisfies Record<Format, string>;

const formats: Readonly<Record<string, Format>> = {
  'application/json': 'json',
  'application/*': 'json',
  '*/*': 'json',
  'application/yaml': 'yaml',
  'application/vnd.kubernetes.protobuf': 'protobuf',
};

export const plainJson: Negotiated = { format: 'json', transform: 'none', metaVersion: 'v1' };

/** Answers remembered by the whole `Accept` header: clients send few different ones. */
const remembered = new Map<string, Negotiated | undefined>();
const maxRemembered = 256;

/** @throws {ApiError} `NotAcceptable` */
export function negotiate(exchange: Exchange): Negotiated {
  const accept = exchange.headers['accept'];
  if (accept === undefined || accept === '') return plainJson;
  const negotiated = accepted(String(accept));
  if (negotiated) return negotiated;
  const known = Object.values(contentTypes).join(', ');
  throw new ApiError('NotAcceptable', `only the following media types are accepted: ${known}`);
}

/** The first clause, by quality and then by order, that this server can give; `undefined` when there is none. */
export function accepted(accept: string): Negotiated | undefined {
  if (remembered.has(accept)) return remembered.get(accept);
  const negotiated = parseAccept(accept)
    .map(fromClause)
    .find((candidate) => candidate !== undefined);
  if (remembered.size >= maxRemembered) remembered.clear();
  remembered.set(accept, negotiated);
  return negotiated;
}

export interface AcceptClause {
  readonly type: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** The clauses of an `Accept` header, best first. */
export function parseAccept(accept: string): AcceptClause[] {
  return accept
    .split(',')
    .map((text, order) => {
      const [type = '', ...rest] = text.split(';').map((part) => part.trim());
      const parameters: Record<string, string> = {};
      for (const part of rest) {
        const equals = part.indexOf('=');
        if (equals > 0) parameters[part.slice(0, equals).toLowerCase()] = part.slice(equals + 1).replaceAll('"', '');
      }
      const quality = Number(parameters['q'] ?? '1');
      return { type: type.toLowerCase(), parameters, quality: Number.isNaN(quality) ? 0 : quality, order };
    })
    .filter(({ quality }) => quality > 0)
    .sort((a, b) => b.quality - a.quality || a.order - b.order);
}

function fromClause({ type, parameters }: AcceptClause): Negotiated | undefined {
  const format = formats[type];
  if (format === undefined) return undefined;
  const { as, g, v } = parameters;
  if (as === undefined) return { format, transform: 'none', metaVersion: 'v1' };
  if (g !== 'meta.k8s.io' || (v !== 'v1' && v !== 'v1beta1')) return undefined;
  if (as === 'Table') return format === 'protobuf' ? undefined : { format, transform: 'table', metaVersion: v };
  if (as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList') {
    return { format, transform: 'partial', metaVersion: v };
  }
  return undefined;
}

/** The format of a body. @throws {ApiError} `UnsupportedMediaType` */
export function bodyFormat(exchange: Exchange): Format {
  const header = String(exchange.headers['content-type'] ?? '');
  const type = mediaType(header);
  if (type === '') return 'json';
  const format = type.includes('*') ? undefined : formats[type];
  if (format !== undefined) return format;
  const known = Object.values(contentTypes).join(', ');
  throw new ApiError(
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${known}`,
  );
}

/** `application/json` of `application/json; charset=utf-8`. */
export function mediaType(header: string): string {
  const semicolon = header.indexOf(';');
  return (semicolon < 0 ? header : header.slice(0, semicolon)).trim().toLowerCase();
}

/** Indented JSON: asked for, or the client is a person's. */
export function wantsPretty(exchange: Exchange): boolean {
  const asked = exchange.query.get('pretty');
  if (asked !== null) return isTrue(asked);
  const agent = exchange.headers['user-agent'];
  return typeof agent === 'string' && /^(curl|Wget|Mozilla\/5\.0)/.test(agent);
}
