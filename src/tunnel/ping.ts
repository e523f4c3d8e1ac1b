import type { Http2Session } from 'node:http2';

export interface PingOptions {
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

/** Finds a peer that is gone without a word: destroys the session when a ping is not answered in time. Ends with the session. */
export function pingRegularly(session: Http2Session, { intervalMs, timeoutMs }: PingOptions): void {
  let deadline: NodeJS.Timeout | undefined;
  const timer = setInterval(() => {
    if (deadline || session.destroyed) return;
    deadline = setTimeout(() => {
      session.destroy(new Error(`the peer did not answer a ping within ${timeoutMs} ms`));
    }, timeoutMs).unref();
    session.ping(() => {
      clearTimeout(deadline);
      deadline = undefined;
    });
  }, intervalMs);
  timer.unref();
  session.once('close', () => {
    clearInterval(timer);
    clearTimeout(deadline);
  });
}
