import { mkdtemp, rm } from 'node:fs/promises';
import { type RequestOptions, request as send } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { TokenRequest } from '../../src/api/kubernetes/authentication-v1.ts';
import type { KubeObject } from '../../src/api/object.ts';
import { namespaces, serviceAccounts } from '../../src/client/resources.ts';
import { clusterPaths } from '../../src/cluster/cluster-directory.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { type ClusterPki, openClusterPki } from '../../src/pki/authority.ts';
import type { IssuedCertificate } from '../../src/pki/certificate-authority.ts';
import { type CreateClusterOptions, createCluster, type TestCluster } from '../../src/testing/create-cluster.ts';

/** Who asks: by certificate, by token, or nobody. */
export interface Credentials {
  readonly certificate?: IssuedCertificate;
  readonly token?: string;
}

export interface Call extends Credentials {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** An object is sent as JSON. */
  readonly body?: string | Uint8Array | object;
  /** The name that the server has to prove. @default the address */
  readonly servername?: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  /** `message` of a Status, also of one on the error channel of a WebSocket; empty for anything else. */
  readonly message: string;
}

/** A cluster whose authorities are at hand, so that every wrong credential can be made. */
export interface SecurityBed extends AsyncDisposable {
  readonly cluster: TestCluster;
  readonly pki: ClusterPki;
  /** The credentials of `system:masters`. */
  readonly admin: IssuedCertificate;
  /** A client certificate of the cluster CA. */
  issue(commonName: string, organizations?: readonly string[]): Promise<IssuedCertificate>;
  /** The authorities as they would issue at another time. */
  pkiAt(nowMs: number): Promise<ClusterPki>;
  /** As the kubelet of `node` has. */
  issueNode(node: string): Promise<IssuedCertificate>;
  /** One HTTP/1.1 request to the API server over a connection of its own. */
  call(path: string, call?: Call): Promise<Answer>;
  /** As `system:masters`, one that has to succeed. */
  create(path: string, body: object): Promise<KubeObject>;
}

export async function openBed(options: CreateClusterOptions = {}): Promise<SecurityBed> {
  await using parts = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'fairlead-security-'));
  parts.defer(() => rm(directory, { recursive: true, force: true }));
  const cluster = parts.use(await createCluster({ ...options, directory }));
  const pki = await openClusterPki({ directory: clusterPaths(directory).pki });
  const issue = (commonName: string, organizations: readonly string[] = []) =>
    pki.cluster.issue({ commonName, organizations, usages: ['client'] });
  const admin = await issue('root', ['system:masters']);
  const call = (path: string, options: Call = {}) => callHttps(cluster.server, path, { ca: cluster.ca, ...options });
  const owned = parts.move();
  return {
    cluster,
    pki,
    admin,
    issue,
    pkiAt: (nowMs) =>
      openClusterPki({ directory: clusterPaths(directory).pki, clock: { ...systemClock, now: () => nowMs } }),
    issueNode: (node) => issue(`system:node:${node}`, ['system:nodes']),
    call,
    create: async (path, body) => {
      const answer = await call(path, { certificate: admin, method: 'POST', body });
      if (answer.status !== 201) throw new Error(`POST ${path}: ${answer.status} ${answer.body}`);
      return JSON.parse(answer.body) as KubeObject;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** One HTTP/1.1 request over a connection of its own, whatever the answer. */
export function callHttps(origin: string, path: string, call: Call & { readonly ca: string }): Promise<Answer> {
  const { certificate, token, method = 'GET', body, servername } = call;
  const { hostname, port } = new URL(origin);
  const payload = toPayload(body);
  const options: RequestOptions = {
    host: hostname,
    port,
    path,
    method,
    agent: false,
    ca: call.ca,
    ...(servername !== undefined && { servername }),
    headers: {
      connection: 'close',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(payload && { 'content-type': 'application/json', 'content-length': String(payload.length) }),
      ...(call.headers as Record<string, string | string[]>), // read only
    },
    ...(certificate && { cert: certificate.certificatePem, key: certificate.privateKeyPem }),
  };
  return new Promise((resolve, reject) => {
    const request = send(options, async (response) => {
      const answer = await text(response);
      const { statusCode: status = 0, headers } = response;
      resolve({ status, headers, body: answer, message: statusMessage(answer) });
    });
    request.on('upgrade', (response, socket, head) => {
      const { statusCode: status = 0, headers } = response;
      readErrorChannel(socket, head).then((body) => {
        resolve({ status, headers, body, message: statusMessage(body) });
      }, reject);
    });
    request.on('error', reject);
    request.end(payload);
  });
}

/** Waits until a namespace can take pods: its service account is there. */
export async function untilServiceAccount({ client }: TestCluster, namespace = 'default'): Promise<void> {
  await client.get(namespaces, { name: namespace });
  const options = { namespace, fieldSelector: 'metadata.name=default' };
  for await (const event of client.watch(serviceAccounts, options)) if (event.type === 'ADDED') return;
}

/** Gives `user` a ClusterRole of these rules. */
export async function grant(bed: SecurityBed, user: string, rules: readonly object[]): Promise<void> {
  const group = 'rbac.authorization.k8s.io';
  const metadata = { name: user };
  await bed.create(`/apis/${group}/v1/clusterroles`, { metadata, rules });
  await bed.create(`/apis/${group}/v1/clusterrolebindings`, {
    metadata,
    subjects: [{ kind: 'User', apiGroup: group, name: user }],
    roleRef: { apiGroup: group, kind: 'ClusterRole', name: user },
  });
}

/** A token of a service account in `default`. `spec` is that of a TokenRequest. */
export async function createToken(bed: SecurityBed, name: string, spec: object = {}): Promise<string> {
  const path = `/api/v1/namespaces/default/serviceaccounts/${name}/token`;
  const request: KubeObject & TokenRequest = await bed.create(path, { spec });
  return request.status?.token ?? '';
}

/** What a server says on channel 3 of a WebSocket; empty if it ends the connection without. */
function readErrorChannel(socket: Duplex, head: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const done = (text: string) => {
      socket.destroy();
      resolve(text);
    };
    let bytes = head;
    const read = () => {
      for (let frame = takeFrame(bytes); frame; frame = takeFrame(bytes)) {
        bytes = frame.rest;
        if (frame.opcode === 8) return done('');
        if (frame.payload[0] === 3 && frame.payload.length > 1) return done(frame.payload.subarray(1).toString());
      }
    };
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      read();
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(''));
    read();
  });
}

/** The first whole frame of a server, which masks nothing. */
function takeFrame(bytes: Buffer): { opcode: number; payload: Buffer; rest: Buffer } | undefined {
  if (bytes.length < 4) return undefined;
  const short = (bytes[1] ?? 0) & 0x7f;
  const start = short === 126 ? 4 : 2;
  const length = short === 126 ? bytes.readUInt16BE(2) : short;
  if (bytes.length < start + length) return undefined;
  const end = start + length;
  return { opcode: (bytes[0] ?? 0) & 0x0f, payload: bytes.subarray(start, end), rest: bytes.subarray(end) };
}

function toPayload(body: Call['body']): Buffer | undefined {
  if (body === undefined) return undefined;
  if (typeof body === 'string') return Buffer.from(body);
  return body instanceof Uint8Array ? Buffer.from(body) : Buffer.from(JSON.stringify(body));
}

function statusMessage(body: string): string {
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value === 'object' && value !== null && 'message' in value) return String(value.message);
  } catch {
    // plain text, as kubelets answer
  }
  return '';
}
