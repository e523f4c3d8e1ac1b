import { join } from 'node:path';
import { connectApi } from '../../client/connect.ts';
import { clientConfigOf, parseKubeconfig } from '../../client/kubeconfig.ts';
import { ConfigError } from '../../lib/config-error.ts';
import { formatYaml } from '../../lib/yaml.ts';
import { parseJoinString } from '../../pki/join-string.ts';
import { readPrivateFile, writePrivateFile } from '../../pki/private-file.ts';
import { discoverCluster } from './discover-cluster.ts';
import type { NodeCertificate } from './node-certificate.ts';

/** How a node that has no credentials yet is let in. The CA is given, or found by its pin. */
export interface BootstrapCredentials {
  readonly server: string;
  readonly token: string;
  /** PEM. */
  readonly ca?: string;
  readonly caPin?: string;
}

export interface ClusterAddress {
  readonly server: string;
  readonly ca: string;
}

/** Whom a node trusts, kept in `kubelet.conf` of its directory. */
export function kubeconfigPath(dataDirectory: string): string {
  return join(dataDirectory, 'kubelet.conf');
}

/** What an earlier join left; `undefined` for a new node. @throws {ConfigError} */
export async function readCluster(dataDirectory: string): Promise<ClusterAddress | undefined> {
  const path = kubeconfigPath(dataDirectory);
  const text = await readPrivateFile(path);
  if (text === undefined) return undefined;
  const config = parseKubeconfig(text, path);
  const user = config.users?.[0]?.user;
  // The certificate is the certificate manager's; the file names it for kubectl.
  if (user) config.users = [{ name: config.users?.[0]?.name ?? '', user: {} }];
  const { server, ca } = clientConfigOf(config);
  return { server, ca: typeof ca === 'function' ? ca() : ca };
}

/** A join string or plain bootstrap credentials, made one. @throws {ConfigError} */
export function readBootstrap(from: string | BootstrapCredentials): BootstrapCredentials {
  if (typeof from !== 'string') return from;
  try {
    return parseJoinString(from);
  } catch (error) {
    throw new ConfigError(`Cannot join: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * Joins by TLS bootstrap: finds and checks the cluster's CA, then asks with the token for the node's client certificate.
 * May be repeated after a failure: the key and the request are kept.
 */
export async function joinCluster(
  bootstrap: BootstrapCredentials,
  { dataDirectory, certificate, signal }: { dataDirectory: string; certificate: NodeCertificate; signal: AbortSignal },
): Promise<ClusterAddress> {
  const { server, token, caPin } = bootstrap;
  const ca = bootstrap.ca ?? (caPin && (await discoverCluster(server, caPin, signal)));
  if (!ca) throw new ConfigError('Cannot join: give the cluster CA or its pin (sha256:…)');
  await using client = connectApi({ server, ca, token });
  await certificate.request(client, { resume: true, signal });
  await writeCluster(dataDirectory, { server, ca });
  return { server, ca };
}

/** What the node knows of its cluster, with the API server at another address where it has moved; that is written down too. */
export async function keepServer(
  dataDirectory: string,
  known: ClusterAddress,
  server: string | undefined,
): Promise<ClusterAddress> {
  if (server === undefined || server === known.server) return known;
  if (!URL.canParse(server) || new URL(server).protocol !== 'https:') {
    throw new ConfigError(`server: expected an https:// address, not ${JSON.stringify(server)}`);
  }
  const moved = { ...known, server };
  await writeCluster(dataDirectory, moved);
  return moved;
}

async function writeCluster(dataDirectory: string, { server, ca }: ClusterAddress): Promise<void> {
  const link = join(dataDirectory, 'pki', 'kubelet-client-current.pem');
  const text = formatYaml({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      { name: 'default', cluster: { 'certificate-authority-data': Buffer.from(ca).toString('base64'), server } },
    ],
    users: [{ name: 'default', user: { 'client-certificate': link, 'client-key': link } }],
    contexts: [{ name: 'default', context: { cluster: 'default', user: 'default' } }],
    'current-context': 'default',
  });
  await writePrivateFile(kubeconfigPath(dataDirectory), text);
}
