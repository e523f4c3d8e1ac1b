import { connect } from 'node:http2';
import type { ProbeResult } from './probe.ts';

const serving = 1;

/**
 * `grpc.health.v1.Health/Check` over plain HTTP/2. The messages are two single-field ones, written and read here:
 * request `{1: string service}`, answer `{1: enum status}`.
 */
export function checkGrpcHealth(
  target: { host: string; port: number; service: string },
  signal: AbortSignal,
): Promise<ProbeResult> {
  const { promise, resolve } = Promise.withResolvers<ProbeResult>();
  const fail = (message: string) => resolve({ success: false, message });
  const authority = `${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}`;
  const session = connect(`http://${authority}`);
  session.on('error', (error) => fail(`timeout: failed to connect service "${authority}": ${error.message}`));
  const abort = () => fail(`timeout: health rpc did not complete within its time`);
  signal.addEventListener('abort', abort, { once: true });
  const stream = session.request({
    ':method': 'POST',
    ':path': '/grpc.health.v1.Health/Check',
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  const chunks: Buffer[] = [];
  let status: string | undefined;
  stream.on('error', (error) => fail(error.message));
  stream.on('response', (headers) => {
    status = headers['grpc-status']?.toString();
  });
  stream.on('trailers', (headers) => {
    status = headers['grpc-status']?.toString();
  });
  stream.on('data', (chunk: Buffer) => {
    if (chunks.length < 16) chunks.push(chunk);
  });
  stream.on('close', () => {
    if (status !== '0') return fail(`health rpc failed with grpc-status ${status ?? 'none'}`);
    const answer = Buffer.concat(chunks).subarray(5);
    if (answer[0] === 0x08 && answer[1] === serving) resolve({ success: true, message: '' });
    else fail(`service unhealthy (responded with status ${answer[1] ?? 0})`);
  });
  stream.end(encodeRequest(target.service));
  return promise.finally(() => {
    signal.removeEventListener('abort', abort);
    session.destroy();
  });
}

function encodeRequest(service: string): Buffer {
  const name = Buffer.from(service).subarray(0, 127); // one length byte; a health service's name is shorter
  const message = name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a, name.length]), name]);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}
