import type {
  DownwardAPIVolumeFile,
  KeyToPath,
  Pod,
  ProjectedVolumeSource,
  Volume,
  VolumeProjection,
} from '../../api/kubernetes/core-v1.ts';
import { encodeText } from '../../lib/bytes.ts';
import { type PodAddresses, readField, readResource } from '../pods/downward.ts';
import type { PodResources } from '../pods/pod-resources.ts';
import type { VolumeFile } from './atomic-directory.ts';

export interface VolumeContext {
  readonly pod: Pod;
  readonly addresses: PodAddresses;
  readonly resources: PodResources;
}

type Files = Map<string, VolumeFile>;

/**
 * The files of a volume that the API server's objects fill; `undefined` for other kinds.
 * @throws {Error} naming what is missing, as upstream's event does
 */
export async function filesOfVolume(volume: Volume, context: VolumeContext): Promise<Files | undefined> {
  const { configMap, secret, downwardAPI, projected } = volume;
  if (configMap) {
    return readConfigMap(configMap, configMap.defaultMode ?? 0o644, context);
  }
  if (secret) {
    const { secretName: name = '', ...rest } = secret;
    return readSecret({ name, ...rest }, secret.defaultMode ?? 0o644, context);
  }
  if (downwardAPI) return readDownward(downwardAPI.items ?? [], downwardAPI.defaultMode ?? 0o644, context);
  return projected ? readProjected(projected, context) : undefined;
}

async function readProjected(
  { sources, defaultMode = 0o644 }: ProjectedVolumeSource,
  context: VolumeContext,
): Promise<Files> {
  const files: Files = new Map();
  for (const source of sources ?? []) {
    for (const [path, file] of await readProjection(source, defaultMode, context)) files.set(path, file);
  }
  return files;
}

async function readProjection(source: VolumeProjection, mode: number, context: VolumeContext): Promise<Files> {
  const { configMap, secret, downwardAPI, serviceAccountToken } = source;
  if (configMap) return readConfigMap(configMap, mode, context);
  if (secret) return readSecret(secret, mode, context);
  if (downwardAPI) return readDownward(downwardAPI.items ?? [], mode, context);
  if (serviceAccountToken) {
    const { audience, expirationSeconds = 3600, path } = serviceAccountToken;
    const token = await context.resources.token(context.pod, { audience, expirationSeconds });
    return new Map([[safePath(path), { content: encodeText(token), mode: 0o600 }]]);
  }
  throw new Error('this node does not know a source of a projected volume');
}

interface ObjectSource {
  readonly name?: string;
  readonly items?: KeyToPath[];
  readonly optional?: boolean;
}

async function readConfigMap(source: ObjectSource, mode: number, { pod, resources }: VolumeContext): Promise<Files> {
  const namespace = pod.metadata?.namespace ?? '';
  const name = source.name ?? '';
  const found = await resources.configMap(namespace, name);
  if (!found && !source.optional) throw new Error(`configmap "${name}" not found`);
  const content = new Map<string, Uint8Array>();
  for (const [key, value] of Object.entries(found?.data ?? {})) content.set(key, encodeText(value));
  for (const [key, value] of Object.entries(found?.binaryData ?? {})) content.set(key, Buffer.from(value, 'base64'));
  return select(content, source, mode);
}

async function readSecret(source: ObjectSource, mode: number, { pod, resources }: VolumeContext): Promise<Files> {
  const namespace = pod.metadata?.namespace ?? '';
  const name = source.name ?? '';
  const found = await resources.secret(namespace, name);
  if (!found && !source.optional) throw new Error(`secret "${name}" not found`);
  const entries = Object.entries(found?.data ?? {});
  return select(new Map(entries.map(([key, value]) => [key, Buffer.from(value, 'base64')])), source, mode);
}

function select(content: ReadonlyMap<string, Uint8Array>, { items, optional }: ObjectSource, mode: number): Files {
  const files: Files = new Map();
  if (!items || items.length === 0) {
    for (const [key, bytes] of content) files.set(safePath(key), { content: bytes, mode });
    return files;
  }
  for (const item of items) {
    const bytes = content.get(item.key);
    if (bytes) files.set(safePath(item.path), { content: bytes, mode: item.mode ?? mode });
    else if (!optional) throw new Error(`references non-existent config key: ${item.key}`);
  }
  return files;
}

function readDownward(items: readonly DownwardAPIVolumeFile[], mode: number, { pod, addresses }: VolumeContext): Files {
  const files: Files = new Map();
  for (const { path, fieldRef, resourceFieldRef, mode: own } of items) {
    const container = pod.spec?.containers.find(({ name }) => name === resourceFieldRef?.containerName);
    const text = fieldRef
      ? readField(pod, fieldRef, addresses)
      : resourceFieldRef && container
        ? readResource(container, resourceFieldRef)
        : '';
    files.set(safePath(path), { content: encodeText(text), mode: own ?? mode });
  }
  return files;
}

/** @throws where a path leads out of the volume or into its own bookkeeping */
function safePath(path: string): string {
  const parts = path.split('/');
  if (path.startsWith('/') || parts.includes('..') || parts[0]?.startsWith('..')) {
    throw new Error(`the path ${JSON.stringify(path)} is not allowed in a volume`);
  }
  return path;
}
