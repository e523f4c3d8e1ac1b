import { mkdir, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { join } from 'node:path';
import { createTestCredentials, type TestCredentials } from '../../src/tunnel/tunnel-suite.ts';
import { findPeer, PeerProcess } from './peer-process.ts';

export type Maker = 'ours' | 'upstream';

/** The program and first arguments of a server or agent; `undefined` where upstream's is not built. */
export function konnectivityProgram(maker: Maker, part: 'server' | 'agent'): readonly string[] | undefined {
  if (maker === 'ours') {
    return [process.execPath, join(import.meta.dirname, '../../src/cli/main.ts'), `konnectivity-${part}`];
  }
  const path = findPeer('konnectivity', part);
  return path === undefined ? undefined : [path];
}

export interface KonnectivityFiles {
  readonly directory: string;
  readonly credentials: TestCredentials;
}

/** Certificates as files, for the flags. */
export async function writeKonnectivityFiles(
  directory: string,
  { ipAddresses = [] }: { ipAddresses?: readonly string[] } = {},
): Promise<KonnectivityFiles> {
  const credentials = await createTestCredentials({ ipAddresses });
  await mkdir(directory, { recursive: true });
  const { ca, serverTls, client } = credentials;
  const files = {
    'ca.crt': ca,
    'server.crt': serverTls.certificate,
    'server.key': serverTls.key,
    'client.crt': client.certificate,
    'client.key': client.key,
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text, { mode: 0o600 });
  return { directory, credentials };
}

export interface ServerPorts {
  readonly server: number;
  readonly agent: number;
  readonly health: number;
  readonly admin: number;
}

/** Starts a server with the same flags, whoever made it. */
export async function startServer(
  program: readonly string[],
  options: KonnectivityFiles & {
    mode: string;
    udsPath: string | undefined;
    ports: ServerPorts;
    agentHost?: string /** Further flags. */;
    more?: readonly string[];
  },
): Promise<PeerProcess> {
  const { directory, mode, udsPath, ports, agentHost = '127.0.0.1' } = options;
  const file = (name: string) => join(directory, name);
  const frontend = udsPath
    ? [`--uds-name=${udsPath}`, '--server-port=0']
    : [
        `--server-port=${ports.server}`,
        '--server-bind-address=127.0.0.1',
        `--server-ca-cert=${file('ca.crt')}`,
        `--server-cert=${file('server.crt')}`,
        `--server-key=${file('server.key')}`,
      ];
  const [path = '', ...first] = program;
  const args = [
    ...first,
    '--logtostderr=true',
    '--v=2',
    `--mode=${mode}`,
    ...frontend,
    `--agent-port=${ports.agent}`,
    `--agent-bind-address=${agentHost}`,
    `--health-port=${ports.health}`,
    '--health-bind-address=127.0.0.1',
    `--admin-port=${ports.admin}`,
    `--cluster-ca-cert=${file('ca.crt')}`,
    `--cluster-cert=${file('server.crt')}`,
    `--cluster-key=${file('server.key')}`,
    ...(options.more ?? []),
  ];
  const peer = new PeerProcess(path, args, { name: 'Konnectivity server' });
  await peer.until(async () => (await fetch(`http://127.0.0.1:${ports.health}/healthz`)).ok, 15_000);
  return peer;
}

/** Starts an agent and waits until the server of `serverHealthPort` counts it. */
export async function startAgent(
  program: readonly string[],
  options: KonnectivityFiles & {
    ports: Pick<ServerPorts, 'agent'>;
    serverHealthPort: number;
    /** Further flags. */
    more?: readonly string[];
    agentId?: string;
    healthPort?: number;
    serverHost?: string;
  },
): Promise<PeerProcess> {
  const {
    directory,
    ports,
    serverHealthPort,
    agentId = 'agent-1',
    healthPort = await freePort(),
    serverHost = '127.0.0.1',
  } = options;
  const [path = '', ...first] = program;
  const args = [
    ...first,
    '--logtostderr=true',
    '--v=2',
    `--agent-id=${agentId}`,
    `--proxy-server-host=${serverHost}`,
    `--proxy-server-port=${ports.agent}`,
    `--ca-cert=${join(directory, 'ca.crt')}`,
    `--agent-cert=${join(directory, 'client.crt')}`,
    `--agent-key=${join(directory, 'client.key')}`,
    `--health-server-port=${healthPort}`,
    '--health-server-host=127.0.0.1',
    `--admin-server-port=${await freePort()}`,
    ...(options.more ?? []),
  ];
  const peer = new PeerProcess(path, args, { name: 'Konnectivity agent' });
  await peer.until(async () => (await fetch(`http://127.0.0.1:${serverHealthPort}/readyz`)).ok, 15_000);
  return peer;
}

export async function freePorts(): Promise<ServerPorts> {
  return { server: await freePort(), agent: await freePort(), health: await freePort(), admin: await freePort() };
}

/** A free port in the range that the server's flags allow. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const server = net.createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
}
