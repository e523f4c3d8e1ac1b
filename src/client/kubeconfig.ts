import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import { ConfigError } from '../lib/config-error.ts';
import { formatYaml, parseYaml } from '../lib/yaml.ts';
import type { ClientConfig } from './client-config.ts';

/** A kubeconfig file as kubectl reads it. Fields that are not named here are kept. */
export interface Kubeconfig {
  apiVersion?: string;
  kind?: string;
  clusters?: { name: string; cluster: KubeconfigCluster }[] | null;
  users?: { name: string; user: KubeconfigUser }[] | null;
  contexts?: { name: string; context: KubeconfigContext }[] | null;
  'current-context'?: string;
}

export interface KubeconfigCluster {
  server?: string;
  'certificate-authority'?: string;
  /** Base64 of PEM. */
  'certificate-authority-data'?: string;
  'tls-server-name'?: string;
  'insecure-skip-tls-verify'?: boolean;
  'proxy-url'?: string;
}

export interface KubeconfigUser {
  'client-certificate'?: string;
  'client-certificate-data'?: string;
  'client-key'?: string;
  'client-key-data'?: string;
  token?: string;
  tokenFile?: string;
}

export interface KubeconfigContext {
  cluster?: string;
  user?: string;
  namespace?: string;
}

/** What a kubeconfig with one cluster and one user says. PEM texts are plain. */
export interface KubeconfigEntry {
  /** Name of the cluster, the user and the context: `fairlead-default`. */
  readonly name: string;
  readonly server: string;
  readonly ca: string;
  readonly serverName?: string;
  readonly certificate?: { readonly certificate: string; readonly key: string };
  readonly token?: string;
  readonly namespace?: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** The context that belongs to the cluster `name`. */
export function contextName(name: string): string {
  return `fairlead-${name}`;
}

/** The files that are read, first wins: `explicit`, else `KUBECONFIG`'s list, else `~/.kube/config`. */
export function kubeconfigPaths(env: Environment, explicit?: string): string[] {
  if (explicit) return [explicit];
  const listed = (env['KUBECONFIG'] ?? '').split(delimiter).filter((path) => path !== '');
  return listed.length > 0 ? [...new Set(listed)] : [join(env['HOME'] || homedir(), '.kube', 'config')];
}

/** All files merged as kubectl does: the first one that has a name, or a current context, wins. Absent files count as empty. */
export async function loadKubeconfig({ env, path }: { env: Environment; path?: string }): Promise<Kubeconfig> {
  const merged: Required<Pick<Kubeconfig, 'clusters' | 'users' | 'contexts'>> & Kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [],
    users: [],
    contexts: [],
  };
  for (const file of kubeconfigPaths(env, path)) {
    const text = await readIfPresent(file);
    if (text === undefined) {
      if (path) throw new ConfigError(`Cannot read kubeconfig ${file}: no such file`);
      continue;
    }
    const config = parseKubeconfig(text, file);
    merged.clusters = addMissing(merged.clusters, config.clusters, ({ cluster }) => absolutePaths(cluster, file));
    merged.users = addMissing(merged.users, config.users, ({ user }) => absolutePaths(user, file));
    merged.contexts = addMissing(merged.contexts, config.contexts, () => {});
    merged['current-context'] ||= config['current-context'] ?? '';
  }
  return merged;
}

/** @throws {ConfigError} naming `file` */
export function parseKubeconfig(text: string, file: string): Kubeconfig {
  let parsed: unknown;
  try {
    parsed = parseYaml(text) ?? {};
  } catch (error) {
    throw new ConfigError(`Cannot read kubeconfig ${file}: it is no YAML`, { cause: error });
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new ConfigError(`Cannot read kubeconfig ${file}: expected an object`);
  }
  const config = parsed as Kubeconfig; // The lists are checked next; what lies below is checked where it is used.
  for (const list of ['clusters', 'users', 'contexts'] as const) {
    const value: unknown = config[list] ?? [];
    if (
      !Array.isArray(value) ||
      value.some((entry) => typeof (entry as { name?: unknown } | null)?.name !== 'string')
    ) {
      throw new ConfigError(`Cannot read kubeconfig ${file}: ${list} must be a list of entries with a name`);
    }
  }
  return config;
}

/** The file text for one entry, current context included. */
export function formatKubeconfig(entry: KubeconfigEntry): string {
  return formatYaml({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: entry.name, cluster: clusterOf(entry) }],
    users: [{ name: entry.name, user: userOf(entry) }],
    contexts: [{ name: entry.name, context: contextOf(entry) }],
    'current-context': entry.name,
    preferences: {},
  });
}

export function clusterOf({ server, ca, serverName }: KubeconfigEntry): KubeconfigCluster {
  return {
    'certificate-authority-data': Buffer.from(ca).toString('base64'),
    server,
    ...(serverName !== undefined && { 'tls-server-name': serverName }),
  };
}

export function userOf({ certificate, token }: KubeconfigEntry): KubeconfigUser {
  return {
    ...(certificate && {
      'client-certificate-data': Buffer.from(certificate.certificate).toString('base64'),
      'client-key-data': Buffer.from(certificate.key).toString('base64'),
    }),
    ...(token !== undefined && { token }),
  };
}

export function contextOf({ name, namespace }: KubeconfigEntry): KubeconfigContext {
  return { cluster: name, user: name, ...(namespace !== undefined && { namespace }) };
}

/** How the API server of a context is reached. A token file is read again every minute. @throws {ConfigError} */
export function clientConfigOf(config: Kubeconfig, context = config['current-context'] ?? ''): ClientConfig {
  if (context === '') throw new ConfigError('The kubeconfig has no current context');
  const found = config.contexts?.find(({ name }) => name === context)?.context;
  if (!found) throw new ConfigError(`The kubeconfig has no context "${context}"`);
  const cluster = config.clusters?.find(({ name }) => name === found.cluster)?.cluster;
  if (!cluster?.server) throw new ConfigError(`The kubeconfig has no server for context "${context}"`);
  const user = config.users?.find(({ name }) => name === found.user)?.user ?? {};
  if (cluster['insecure-skip-tls-verify']) {
    throw new ConfigError(
      `Context "${context}": insecure-skip-tls-verify is not supported; give certificate-authority`,
    );
  }
  if (cluster['proxy-url']) throw new ConfigError(`Context "${context}": proxy-url is not supported`);
  const ca = pem(cluster['certificate-authority-data'], cluster['certificate-authority']);
  if (ca === undefined) throw new ConfigError(`Context "${context}": certificate-authority is missing`);
  const certificate = pem(user['client-certificate-data'], user['client-certificate']);
  const key = pem(user['client-key-data'], user['client-key']);
  if ((certificate === undefined) !== (key === undefined)) {
    throw new ConfigError(`Context "${context}": client-certificate and client-key must be given together`);
  }
  const serverName = cluster['tls-server-name'];
  const token = user.token ?? (user.tokenFile === undefined ? undefined : rereading(user.tokenFile));
  return {
    server: cluster.server,
    ca,
    ...(serverName !== undefined && { serverName }),
    ...(certificate !== undefined && key !== undefined && { certificate: { certificate, key } }),
    ...(token !== undefined && { token }),
  };
}

function pem(data: string | undefined, file: string | undefined): string | undefined {
  if (data) return Buffer.from(data, 'base64').toString();
  if (!file) return undefined;
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(`The kubeconfig names ${file}, which cannot be read`, { cause: error });
  }
}

function rereading(file: string): () => string {
  let value = '';
  let readMs = Number.NEGATIVE_INFINITY;
  return () => {
    if (performance.now() - readMs < 60_000) return value;
    value = readFileSync(file, 'utf8').trim();
    readMs = performance.now();
    return value;
  };
}

async function readIfPresent(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new ConfigError(`Cannot read kubeconfig ${file}`, { cause: error });
  }
}

function addMissing<E extends { name: string }>(known: E[] | null, more: E[] | null | undefined, fix: (e: E) => void) {
  const names = new Set(known?.map(({ name }) => name));
  const added = (more ?? []).filter(({ name }) => !names.has(name));
  for (const entry of added) fix(entry);
  return [...(known ?? []), ...added];
}

const pathFields = ['certificate-authority', 'client-certificate', 'client-key', 'tokenFile'] as const;

/** Paths in a kubeconfig are relative to the file's folder. */
function absolutePaths(entry: { [field in (typeof pathFields)[number]]?: string } | null, file: string): void {
  for (const field of pathFields) {
    const value = entry?.[field];
    if (entry && value && !isAbsolute(value)) entry[field] = join(dirname(file), value);
  }
}
