import { rejectOnAbort } from '../lib/async.ts';

/** Resolves when the signal aborts, and keeps the process alive until then: signal handlers and idle servers do not. */
export function interrupted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const alive = setInterval(() => {}, 1 << 30);
    signal.addEventListener(
      'abort',
      () => {
        clearInterval(alive);
        resolve();
      },
      { once: true },
    );
  });
}

/** The readiness of what was started, or the reason of an interruption that came before. */
export async function untilReady(ready: Promise<void>, signal: AbortSignal): Promise<void> {
  const settled = new AbortController();
  try {
    await Promise.race([ready, rejectOnAbort(signal, settled.signal)]);
  } finally {
    settled.abort();
  }
}
