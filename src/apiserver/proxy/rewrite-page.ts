import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { createDeflateRaw, createGunzip, createGzip, createInflateRaw } from 'node:zlib';
import { createHtmlRewriter } from './rewrite-html.ts';
import type { LinkRewriting } from './rewrite-url.ts';

/**
 * What a page flows through so that its links lead through the proxy; nothing for other answers. `deflate` is the raw form, as upstream;
 * pages in other codings pass unchanged, as do parts of pages, whose offsets would no longer be true.
 */
export function rewritePage({ headers, statusCode }: IncomingMessage, rewriting: LinkRewriting): Duplex[] {
  const [type = ''] = (headers['content-type'] ?? '').split(';');
  if (type.trim().toLowerCase() !== 'text/html' || statusCode === 206) return [];
  const rewriter = createHtmlRewriter(rewriting);
  switch (headers['content-encoding'] ?? '') {
    case '':
      return [rewriter];
    case 'gzip':
      return [createGunzip(), rewriter, createGzip()];
    case 'deflate':
      return [createInflateRaw(), rewriter, createDeflateRaw()];
    default:
      return [];
  }
}
