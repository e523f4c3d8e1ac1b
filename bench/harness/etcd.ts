import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { type ClientHttp2Session, connect } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstFreePort } from '../../src/cluster/free-port.ts';
import { ProtobufReader, ProtobufWriter } from '../../src/wire/protobuf.ts';
import { findPeer, PeerProcess } from '../../test/interop/peer-process.ts';
import { processUsage } from './process-usage.ts';

/** An etcd of its own, with just the one call that the storage figures need. */
export interface Etcd extends AsyncDisposable {
  /** Puts where the key's modification revision is `expected`; gives the new one. */
  put(key: string, value: Uint8Array, expected: number): Promise<number>;
  cpuMs(): number;
}

/** The one on PATH, as distributions package it, or the one that `npm run peers` has built. */
export function findEtcd(): string | undefined {
  const onPath = (process.env['PATH'] ?? '').split(':').map((folder) => join(folder, 'etcd'));
  return onPath.find((path) => existsSync(path)) ?? findPeer('etcd', 'server');
}

export async function startEtcd(path: string): Promise<Etcd> {
  await using parts = new AsyncDisposableStack();
  const directory = mkdtempSync(join(tmpdir(), 'fairlead-etcd-'));
  parts.defer(() => rmSync(directory, { recursive: true, force: true }));
  const port = await firstFreePort('127.0.0.1', 23890);
  const url = `http://127.0.0.1:${port}`;
  const peerUrl = `http://127.0.0.1:${await firstFreePort('127.0.0.1', port + 1)}`;
  const args = [
    `--data-dir=${directory}`,
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=default=${peerUrl}`,
    '--log-level=warn',
  ];
  const etcd = parts.use(new PeerProcess(path, args, { name: 'etcd' }));
  await etcd.until(async () => (await fetch(`${url}/health`)).ok, 30_000);
  const session = connect(url);
  session.on('error', () => {}); // each call reports it
  parts.defer(() => session.destroy());
  const owned = parts.move();
  return {
    put: (key, value, expected) => compareAndPut(session, encodeTxn(key, value, expected)),
    cpuMs: () => processUsage([etcd.child.pid ?? 0]).cpuMs,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const modRevisionTarget = 2;

/** `etcdserverpb.TxnRequest` behind gRPC's five bytes. */
function encodeTxn(key: string, value: Uint8Array, expected: number): Buffer {
  const put = new ProtobufWriter({ initialBytes: value.length + 100 });
  put.textField(1, key);
  put.bytesField(2, value);
  const operation = new ProtobufWriter({ initialBytes: value.length + 120 });
  operation.bytesField(2, put.finish());
  const compare = new ProtobufWriter();
  compare.varintField(2, modRevisionTarget);
  compare.textField(3, key);
  compare.varintField(6, expected);
  const txn = new ProtobufWriter({ initialBytes: value.length + 240 });
  txn.bytesField(1, compare.finish());
  txn.bytesField(2, operation.finish());
  const message = txn.finish();
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function compareAndPut(session: ClientHttp2Session, request: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/etcdserverpb.KV/Txn',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.once('error', reject);
    stream.once('end', () => {
      const revision = readRevision(Buffer.concat(chunks).subarray(5));
      if (revision === undefined) reject(new Error('etcd refused a compare-and-put'));
      else resolve(revision);
    });
    stream.end(request);
  });
}

/** The revision of `etcdserverpb.TxnResponse`; `undefined` unless it says that the comparison held. */
function readRevision(message: Buffer): number | undefined {
  let revision: number | undefined;
  let succeeded = false;
  const reader = new ProtobufReader(message);
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag >>> 3 === 1) revision = readHeader(reader.bytes());
    else if (tag >>> 3 === 2) succeeded = reader.bool();
    else reader.skip(tag & 7);
  }
  return succeeded ? revision : undefined;
}

function readHeader(header: Uint8Array): number | undefined {
  const reader = new ProtobufReader(header);
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag >>> 3 === 3) return reader.int64();
    reader.skip(tag & 7);
  }
  return undefined;
}
