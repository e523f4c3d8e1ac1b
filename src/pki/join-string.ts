import { hash } from 'node:crypto';

/** All that a node needs to join: where to go, whom to trust there, and a token to be let in with. */
export interface JoinString {
  /** `https://host:port` of the API server. */
  readonly server: string;
  /** `sha256:<hex>` of the cluster CA's public key. */
  readonly caPin: string;
  /** A bootstrap token. */
  readonly token: string;
}

const prefix = 'fairlead1.';
const pinBytes = 32;
const tokenBytes = 23;
const checksumBytes = 4;
const tokenPattern = /^[a-z0-9]{6}\.[a-z0-9]{16}$/;

/**
 * Writes it as one word that survives copy and paste:
 *
 *     fairlead1.<base64url of the bytes below>
 *
 *     0..31   SHA-256 of the CA's SubjectPublicKeyInfo
 *     32..54  the bootstrap token, ASCII
 *     55..n   the server's URL, UTF-8
 *     4 last  the first bytes of the SHA-256 of all before: a word that was cut or mistyped is noticed
 *
 * It is a secret as long as its token is valid.
 * @throws {RangeError} which names the part that does not fit, never the token
 */
export function formatJoinString({ server, caPin, token }: JoinString): string {
  const [, pin] = /^sha256:([0-9a-f]{64})$/.exec(caPin) ?? [];
  if (pin === undefined) throw new RangeError('The CA pin of a join string must be sha256: and 64 hexadecimal digits');
  if (!tokenPattern.test(token)) throw new RangeError('The token of a join string must be a bootstrap token');
  if (!isServer(server))
    throw new RangeError(`The server of a join string must be an https URL, not ${JSON.stringify(server)}`);
  const payload = Buffer.concat([Buffer.from(pin, 'hex'), Buffer.from(token), Buffer.from(server)]);
  return prefix + Buffer.concat([payload, checksum(payload)]).toString('base64url');
}

/**
 * Reads a join string, white space around it and line breaks within it allowed.
 * @throws {RangeError} which says what is wrong and holds no part of the text
 */
export function parseJoinString(text: string): JoinString {
  const word = text.replace(/\s+/g, '');
  if (!word.startsWith(prefix)) {
    const [, version] = /^fairlead(\d+)\./.exec(word) ?? [];
    throw new RangeError(
      version === undefined
        ? `This is no join string: one begins with ${prefix}`
        : `This join string is of version ${version}, which this version of fairlead does not know`,
    );
  }
  const bytes = Buffer.from(word.slice(prefix.length), 'base64url');
  const payload = bytes.subarray(0, -checksumBytes);
  const intact =
    bytes.toString('base64url') === word.slice(prefix.length) &&
    payload.length > pinBytes + tokenBytes &&
    checksum(payload).equals(bytes.subarray(-checksumBytes));
  if (!intact) throw new RangeError('The join string is damaged: copy it again, all of it');
  const token = payload.toString('latin1', pinBytes, pinBytes + tokenBytes);
  const server = payload.toString('utf8', pinBytes + tokenBytes);
  if (!tokenPattern.test(token) || !isServer(server))
    throw new RangeError('The join string holds no token or no https address');
  return { server, caPin: `sha256:${payload.toString('hex', 0, pinBytes)}`, token };
}

function checksum(payload: Uint8Array): Buffer {
  return hash('sha256', payload, 'buffer').subarray(0, checksumBytes);
}

function isServer(server: string): boolean {
  if (!URL.canParse(server)) return false;
  const { protocol, username, password, search, hash: fragment } = new URL(server);
  return protocol === 'https:' && username === '' && password === '' && search === '' && fragment === '';
}
