import { createHash, randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzipSync, gzip } from 'node:zlib';
import { ApiError } from '../../api/errors.ts';
import { types } from '../../api/model.ts';
import type { JsonObject } from '../../api/object.ts';
import { fairleadVersion } from '../../lib/version.ts';
import type { Exchange } from '../exchange.ts';
import { buildOpenApiV2, buildOpenApiV3, documentKeys } from './documents.ts';
import { encodeOpenApiV2 } from './gnostic.ts';
import { mergeOpenApiV2, noRemoteOpenApi, type RemoteOpenApi } from './remote-openapi.ts';

/** What clients ask for and what they must be answered: Go's media type parser refuses the `@` in an answer. */
const protobufAccepts = [
  'application/com.github.proto-openapi.spec.v2@v1.0+protobuf',
  'application/com.github.proto-openapi.spec.v2.v1.0+protobuf',
];
const protobufType = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';
const yearSeconds = 31_536_000;

interface Document {
  readonly contentType: string;
  readonly zipped: Buffer;
}

/**
 * Serves `/openapi/v2`, `/openapi/v3` and the documents below it. Documents are built when first asked for and kept zipped;
 * their hash is that of what they are built from, so that the index costs nothing.
 */
export class OpenApi {
  readonly #zipped = new Map<string, Promise<Document>>();
  readonly #remote: RemoteOpenApi;
  /** Of what others say, when the document of everything was built. */
  #generation = 0;

  constructor(remote: RemoteOpenApi = noRemoteOpenApi) {
    this.#remote = remote;
  }

  /** Answers the exchange, whose path begins with `/openapi`. @throws {ApiError} `NotFound`, `NotAcceptable`, `MethodNotAllowed` */
  async serve(exchange: Exchange): Promise<void> {
    const { path, method } = exchange;
    if (method !== 'GET' && method !== 'HEAD') {
      throw new ApiError('MethodNotAllowed', 'the server does not allow this method on the requested resource');
    }
    if (path === '/openapi/v2') return this.#serveV2(exchange);
    if (path === '/openapi/v3' || path === '/openapi/v3/') return serveIndex(exchange, this.#remote.v3Urls());
    if (path.startsWith('/openapi/v3/')) return this.#serveV3(exchange, path.slice('/openapi/v3/'.length));
    throw new ApiError('NotFound', 'the server could not find the requested resource');
  }

  async #serveV2(exchange: Exchange): Promise<void> {
    const accept = String(exchange.headers['accept'] ?? '*/*');
    const wanted = accept.split(',').map((clause) => clause.split(';')[0]?.trim() ?? '');
    exchange.setHeader('vary', 'Accept');
    const { generation } = this.#remote;
    if (generation !== this.#generation) {
      this.#zipped.delete('v2');
      this.#zipped.delete('v2.pb');
      this.#generation = generation;
    }
    const whole = () => mergeOpenApiV2(buildOpenApiV2(), this.#remote);
    const hash = (key: string) => hashOf(generation === 0 ? key : `${key} ${instance} ${generation}`);
    if (wanted.some((type) => protobufAccepts.includes(type))) {
      const build = () => Buffer.from(encodeOpenApiV2(whole()));
      return this.#send(exchange, await this.#document('v2.pb', protobufType, build), hash('v2.pb'));
    }
    if (wanted.some((type) => ['application/json', 'application/*', '*/*'].includes(type))) {
      return this.#send(exchange, await this.#document('v2', 'application/json', () => toJson(whole())), hash('v2'));
    }
    exchange.respond(406, {});
  }

  async #serveV3(exchange: Exchange, key: string): Promise<void> {
    if (!documentKeys().includes(key))
      throw new ApiError('NotFound', 'the server could not find the requested resource');
    const asked = exchange.query.get('hash');
    const hash = hashOf(key);
    if (asked !== null && asked !== hash) {
      exchange.respond(301, { location: `/openapi/v3/${key}?hash=${hash}` });
      return;
    }
    if (asked !== null) {
      exchange.setHeader('cache-control', 'public, immutable');
      exchange.setHeader('expires', new Date(Date.now() + yearSeconds * 1000).toUTCString());
    }
    exchange.setHeader('vary', 'Accept');
    const build = () => toJson(buildOpenApiV3(key) ?? {});
    this.#send(exchange, await this.#document(key, 'application/json', build), hash);
  }

  #document(key: string, contentType: string, build: () => Buffer): Promise<Document> {
    let document = this.#zipped.get(key);
    if (!document) {
      document = promisify(gzip)(build(), { level: 6 }).then((zipped) => ({ contentType, zipped }));
      this.#zipped.set(key, document);
    }
    return document;
  }

  #send(exchange: Exchange, document: Document, hash: string): void {
    const etag = `"${hash}"`;
    exchange.setHeader('etag', etag);
    const type = { 'content-type': document.contentType };
    if (exchange.headers['if-none-match'] === etag) {
      exchange.respond(304, {});
    } else if (/\bgzip\b/.test(String(exchange.headers['accept-encoding'] ?? ''))) {
      exchange.respond(200, { ...type, 'content-encoding': 'gzip' }, document.zipped);
    } else {
      exchange.respond(200, type, gunzipSync(document.zipped));
    }
  }
}

function serveIndex(exchange: Exchange, remote: ReadonlyMap<string, string>): void {
  const paths = new Map(documentKeys().map((key) => [key, `/openapi/v3/${key}?hash=${hashOf(key)}`]));
  for (const [key, url] of remote) paths.set(key, url);
  const entries = [...paths].map(([key, serverRelativeURL]) => [key, { serverRelativeURL }]);
  exchange.respond(200, { 'content-type': 'application/json' }, toJson({ paths: Object.fromEntries(entries) }));
}

/** Generations are counted anew at each start. */
const instance = randomUUID();

let sourceHash: string | undefined;

/** Upper-case SHA-512 of what decides the document's content: the model data, this version and the key. */
function hashOf(key: string): string {
  sourceHash ??= createHash('sha256').update(JSON.stringify(types.models)).digest('hex');
  return createHash('sha512').update(`${sourceHash} ${fairleadVersion} ${key}`).digest('hex').toUpperCase();
}

function toJson(value: JsonObject): Buffer {
  return Buffer.from(JSON.stringify(value));
}
