/**
 * `node:http`, without what importing it brings: an `import` reads every export, `WebSocket` among them, and that one loads undici
 * (40 ms and 10 MB at start). The types come from `node:http` as usual.
 */
export const { Agent, createServer, request, ServerResponse } = process.getBuiltinModule('node:http');
