import type { ConnectHandler } from './review.ts';

/** `/`: every path that is served. */
export function indexHandler(paths: () => Iterable<string>): ConnectHandler {
  return async ({ exchange }) => {
    const own = [...paths()].filter((path) => path === '/' || !path.endsWith('/')).sort();
    exchange.respond(200, { 'content-type': 'application/json' }, JSON.stringify({ paths: own }, null, 2));
  };
}
