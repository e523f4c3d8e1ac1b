/** What both ends of a packet stream allow their peer to have on its way. */
export const streamWindowBytes = 4 * 1024 * 1024;
export const sessionWindowBytes = 16 * 1024 * 1024;

/** HTTP/2 settings of packet streams, and Node's own limits raised for peers that are authenticated. */
export const sessionOptions = {
  settings: { initialWindowSize: streamWindowBytes, maxFrameSize: 64 * 1024, enablePush: false },
  maxSessionMemory: 1000,
  streamResetBurst: 1_000_000,
  streamResetRate: 1_000_000,
} as const;

/** How long a new connection may take until its handshake, TLS included, is done. */
export const handshakeTimeoutMs = 10_000;
