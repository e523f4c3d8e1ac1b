/**
 * The native tunnel on the wire. The agent connects with TLS 1.3 and offers the ALPN id below; once it is chosen the roles flip: the agent is the HTTP/2
 * server on that socket and the tunnel server its client.
 *
 * - The first stream is `POST /tunnel` from the tunnel server with `serverid`, `servercount` and `fairlead-version`. The agent answers 200 with
 *   `agentid`, `agentidentifiers` and, where it has a token, `authorization`; or 409 where it has a connection to that server already. Both bodies
 *   stay open and carry lines. From the server: `WELCOME` first, or `REFUSED` and the percent-encoded reason; `DRAINING` when it will end soon.
 *   From the agent: `DRAIN`. The end of this stream is the end of the tunnel.
 * - Each tunnelled connection is a `CONNECT` stream, `:authority` its target. The agent answers 200 when it is connected, and otherwise a status
 *   with the reason in `fairlead-error`, percent-encoded.
 * - `END_STREAM` ends one direction. `RST_STREAM` closes both: with NO_ERROR behind what was sent before, with CONNECT_ERROR likewise but
 *   because the connection broke, with any other code at once.
 */
export const nativeProtocol = 'fairlead-tunnel/1';

export const nativeVersion = '1';
export const helloPath = '/tunnel';
export const welcomeLine = 'WELCOME';
export const refusedLine = 'REFUSED';
export const drainLine = 'DRAIN';
export const drainingLine = 'DRAINING';
export const errorHeader = 'fairlead-error';
export const versionHeader = 'fairlead-version';

/** How much each end holds for one connection whose reader is behind; 20 MB/s for each at a round trip of 50 ms. */
export const nativeWindowBytes = 1024 * 1024;
/** Of all connections of one tunnel on their way; Node gives credit back on receipt, so that no reader can use it up. */
export const nativeSessionWindowBytes = 16 * 1024 * 1024;
/** Connections and dials of one agent. */
export const maxConnections = 20_000;

const maxHeaderBytes = 32 * 1024;

/** Both ends: bounds on what an authenticated peer may make us hold, and Node's own limits where they are below ordinary use. */
export const nativeSessionOptions = {
  settings: {
    initialWindowSize: nativeWindowBytes,
    maxFrameSize: 64 * 1024,
    maxConcurrentStreams: maxConnections,
    maxHeaderListSize: maxHeaderBytes,
    enablePush: false,
  },
  maxHeaderListPairs: 64,
  maxSessionMemory: 1000,
  streamResetBurst: 1_000_000,
  streamResetRate: 1_000_000,
} as const;
