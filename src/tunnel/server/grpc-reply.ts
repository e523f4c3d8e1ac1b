import type { ServerHttp2Stream } from 'node:http2';
import { encodeGrpcMessage, grpcStatus } from '../../wire/grpc.ts';

/** Sends the response headers of a call with `metadata`; its status follows when the stream is ended. */
export function acceptCall(stream: ServerHttp2Stream, metadata: Readonly<Record<string, string>> = {}): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...metadata }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': String(grpcStatus.ok) }));
}

/** Ends a call before it began, with a status. */
export function refuseCall(
  stream: ServerHttp2Stream,
  { code = grpcStatus.unknown, message }: { code?: number; message: string },
): void {
  stream.on('error', () => {}); // the peer may be gone already: there is nobody left to refuse
  if (stream.destroyed || stream.headersSent) return;
  stream.respond(
    {
      ':status': 200,
      'content-type': 'application/grpc',
      'grpc-status': String(code),
      'grpc-message': encodeGrpcMessage(message),
    },
    { endStream: true },
  );
  stream.resume();
}
