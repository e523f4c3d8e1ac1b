import type { ApiClient } from './client.ts';

/**
 * A client whose credentials are made when it is first used: most controllers never write in a quiet cluster, and a certificate costs a
 * few milliseconds. A failed `open` fails the call; the next call tries again.
 */
export function deferredClient(server: string, open: () => Promise<ApiClient>): ApiClient {
  let opening: Promise<ApiClient> | undefined;
  const client = (): Promise<ApiClient> => {
    if (opening) return opening;
    opening = open();
    opening.catch(() => {
      opening = undefined;
    });
    return opening;
  };
  return {
    server,
    get: async (...call) => (await client()).get(...call),
    list: async (...call) => (await client()).list(...call),
    create: async (...call) => (await client()).create(...call),
    update: async (...call) => (await client()).update(...call),
    patch: async (...call) => (await client()).patch(...call),
    delete: async (...call) => (await client()).delete(...call),
    deleteCollection: async (...call) => (await client()).deleteCollection(...call),
    request: async (...call) => (await client()).request(...call),
    async *watch(...call) {
      yield* (await client()).watch(...call);
    },
    rotate: () => {
      opening?.then(
        (opened) => opened.rotate(),
        () => {}, // the caller of the failed call knows
      );
    },
    async [Symbol.asyncDispose]() {
      const opened = await opening?.catch(() => undefined);
      await opened?.[Symbol.asyncDispose]();
    },
  };
}
