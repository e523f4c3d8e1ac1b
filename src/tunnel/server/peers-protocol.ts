/**
 * How one of our servers dials through the agents of another: `fairlead-peer/1`, on the other's port for agents.
 *
 * - Both ends show certificates of the CA of that port, with a common name that servers have and agents have not.
 * - Each connection is one HTTP/2 stream: `POST` to the path below. The answer is 200 once an agent has connected, with the agent's id; otherwise another
 *   status with upstream's reason of a failed dial and its text, percent-encoded. Bytes, ends and resets follow as on the native tunnel.
 * - A dial that came from a peer is never passed on to another one.
 */
export const peerDialPath = '/fairlead-peer/1/dial';

export const peerHeaders = {
  /** Who asks, so that a server which finds itself in its own list says so. */
  server: 'fairlead-server-id',
  target: 'fairlead-target',
  protocol: 'fairlead-protocol',
  /** Only through an agent that authenticated as this node. */
  node: 'fairlead-node',
  agent: 'fairlead-agent-id',
  reason: 'fairlead-reason',
  error: 'fairlead-error',
} as const;

/** The reason of a server that was asked by itself. */
export const selfReason = 'self';
