import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

/** The server answered an upgrade with something else than 101. The connection is closed: nothing more is read from it or sent on it. */
export class UpgradeRefused extends Error {
  override readonly name = 'UpgradeRefused';
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** As much of the body as was read. */
  readonly body: Buffer;

  constructor(status: number, headers: IncomingHttpHeaders, body: Buffer) {
    super(`unable to upgrade connection: ${body.toString('utf8').trim() || `status ${status}`}`);
    this.status = status;
    this.headers = headers;
    this.body = body;
  }

  /** Reads at most `maxBytes` of the body, for at most 10 s. Never rejects. */
  static read(response: IncomingMessage, maxBytes: number): Promise<UpgradeRefused> {
    return new Promise((resolve) => {
      const parts: Buffer[] = [];
      let length = 0;
      const finish = () => {
        clearTimeout(deadline);
        resolve(
          new UpgradeRefused(response.statusCode ?? 0, response.headers, Buffer.concat(parts).subarray(0, maxBytes)),
        );
        response.destroy();
      };
      const deadline = setTimeout(finish, 10_000).unref();
      response.on('data', (chunk: Buffer) => {
        parts.push(chunk);
        length += chunk.length;
        if (length >= maxBytes) finish();
      });
      response.once('end', finish);
      response.once('error', finish);
      response.once('close', finish);
    });
  }
}
