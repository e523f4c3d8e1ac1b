/** Names of HTTP/1.1 methods, headers and a few values, each stored with its length as uint32 in front. */
const prefixed = [
  'options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow',
  'authorization cache-control connection content-base content-encoding content-language content-length content-location',
  'content-md5 content-range content-type date etag expect expires from host if-match if-modified-since if-none-match',
  'if-range if-unmodified-since last-modified location max-forwards pragma proxy-authenticate proxy-authorization range',
  'referer retry-after server te trailer transfer-encoding upgrade user-agent vary via warning www-authenticate method',
  'get status',
]
  .join(' ')
  .split(' ')
  .concat('200 OK', 'version', 'HTTP/1.1', 'url', 'public', 'set-cookie', 'keep-alive', 'origin');

/** Status codes and frequent header values, back to back. */
const plain = [
  '100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505',
  '203 Non-Authoritative Information',
  '204 No Content',
  '301 Moved Permanently',
  '400 Bad Request',
  '401 Unauthorized',
  '403 Forbidden',
  '404 Not Found',
  '500 Internal Server Error',
  '501 Not Implemented',
  '503 Service Unavailable',
  'Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT',
  'chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,public',
  'privatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.',
];

/**
 * The zlib dictionary that every SPDY/3 and SPDY/3.1 header block starts from: 1,423 bytes, adler32 `0xE3C6A7C2`.
 * Source: draft-mbelshe-httpbis-spdy-00, "Name/Value Header Block".
 */
export const spdyDictionary: Uint8Array = buildDictionary();

/** The Adler-32 of {@link spdyDictionary}, which names it in a zlib header. */
export const spdyDictionaryId = 0xe3c6a7c2;

function buildDictionary(): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const name of prefixed) {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(name.length);
    parts.push(length, Buffer.from(name, 'latin1'));
  }
  parts.push(Buffer.from(plain.join(''), 'latin1'));
  return Buffer.concat(parts);
}
