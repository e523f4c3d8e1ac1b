/** The peer broke a wire format. The connection it came over is ended. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}
