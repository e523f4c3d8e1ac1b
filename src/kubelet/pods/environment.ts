import type { Container, EnvVar, Pod, Service } from '../../api/kubernetes/core-v1.ts';
import { type PodAddresses, readField, readResource } from './downward.ts';
import { expandVariables } from './expansion.ts';
import type { PodResources } from './pod-resources.ts';

/** Something that a container's configuration names is missing or wrong: its waiting reason is `CreateContainerConfigError`. */
export class ContainerConfigError extends Error {
  override readonly name = 'ContainerConfigError';
}

export interface EnvironmentOptions {
  readonly addresses: PodAddresses;
  readonly resources: PodResources;
  /** What `KUBERNETES_SERVICE_HOST` and `…_PORT` name instead of the Service's virtual IP, as long as that is not served. */
  readonly apiServer: { readonly host: string; readonly port: number } | undefined;
}

/**
 * The environment of one container: Services, then `envFrom`, then `env`; later ones win and see earlier ones as `$(NAME)`.
 * @throws {ContainerConfigError}
 */
export async function buildEnvironment(
  pod: Pod,
  container: Container,
  options: EnvironmentOptions,
): Promise<Record<string, string>> {
  const env: Record<string, string> = serviceEnvironment(pod, options);
  for (const source of container.envFrom ?? []) {
    const prefix = source.prefix ?? '';
    for (const [key, value] of Object.entries(await readSource(pod, source, options.resources)))
      env[prefix + key] = value;
  }
  for (const variable of container.env ?? []) {
    const value = variable.valueFrom
      ? await readValue(pod, container, variable, options)
      : expandVariables(variable.value ?? '', (name) => env[name]);
    if (value !== undefined) env[variable.name] = value;
  }
  return env;
}

async function readSource(
  pod: Pod,
  { configMapRef, secretRef }: NonNullable<Container['envFrom']>[number],
  resources: PodResources,
): Promise<Record<string, string>> {
  const namespace = pod.metadata?.namespace ?? '';
  if (configMapRef) {
    const name = configMapRef.name ?? '';
    const found = await resources.configMap(namespace, name);
    if (!found && !configMapRef.optional) throw new ContainerConfigError(`configmap "${name}" not found`);
    return found?.data ?? {};
  }
  const name = secretRef?.name ?? '';
  const found = await resources.secret(namespace, name);
  if (!found && !secretRef?.optional) throw new ContainerConfigError(`secret "${name}" not found`);
  return Object.fromEntries(Object.entries(found?.data ?? {}).map(([key, value]) => [key, decode(value)]));
}

async function readValue(
  pod: Pod,
  container: Container,
  { valueFrom }: EnvVar,
  { addresses, resources }: EnvironmentOptions,
): Promise<string | undefined> {
  const namespace = pod.metadata?.namespace ?? '';
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef } = valueFrom ?? {};
  if (fieldRef) return readField(pod, fieldRef, addresses);
  if (resourceFieldRef) {
    const other = resourceFieldRef.containerName;
    const owner = other ? pod.spec?.containers.find(({ name }) => name === other) : container;
    return readResource(owner ?? container, resourceFieldRef);
  }
  if (configMapKeyRef) {
    const { name = '', key, optional } = configMapKeyRef;
    const value = (await resources.configMap(namespace, name))?.data?.[key];
    if (value === undefined && !optional) {
      throw new ContainerConfigError(`couldn't find key ${key} in ConfigMap ${namespace}/${name}`);
    }
    return value;
  }
  if (secretKeyRef) {
    const { name = '', key, optional } = secretKeyRef;
    const value = (await resources.secret(namespace, name))?.data?.[key];
    if (value === undefined && !optional) {
      throw new ContainerConfigError(`couldn't find key ${key} in Secret ${namespace}/${name}`);
    }
    return value === undefined ? undefined : decode(value);
  }
  throw new ContainerConfigError('valueFrom names no source that this node knows');
}

/** Docker-link variables of each Service. Source: kubelet `pkg/kubelet/envvars`. */
function serviceEnvironment(pod: Pod, { resources, apiServer }: EnvironmentOptions): Record<string, string> {
  const namespace = pod.metadata?.namespace ?? '';
  const env: Record<string, string> = {};
  for (const service of resources.services(namespace)) {
    const isApi = service.metadata?.namespace === 'default' && service.metadata.name === 'kubernetes';
    if (!isApi && (service.metadata?.namespace !== namespace || pod.spec?.enableServiceLinks === false)) continue;
    if (!isApi || !apiServer) Object.assign(env, linkVariables(service));
  }
  if (!apiServer) return env;
  const https = { name: 'https', port: apiServer.port, protocol: 'TCP' };
  const direct = { metadata: { name: 'kubernetes' }, spec: { clusterIP: apiServer.host, ports: [https] } };
  return { ...env, ...linkVariables(direct) };
}

function linkVariables({ metadata, spec }: Service): Record<string, string> {
  const host = spec?.clusterIP ?? '';
  const [first] = spec?.ports ?? [];
  if (host === '' || host === 'None' || !first) return {};
  const name = constant(metadata?.name ?? '');
  const inUrl = host.includes(':') ? `[${host}]` : host;
  const env: Record<string, string> = { [`${name}_SERVICE_HOST`]: host, [`${name}_SERVICE_PORT`]: String(first.port) };
  for (const port of spec?.ports ?? []) {
    const protocol = (port.protocol ?? 'TCP').toLowerCase();
    const url = `${protocol}://${inUrl}:${port.port}`;
    const prefix = `${name}_PORT_${port.port}_${protocol.toUpperCase()}`;
    if (port.name) env[`${name}_SERVICE_PORT_${constant(port.name)}`] = String(port.port);
    if (port === first) env[`${name}_PORT`] = url;
    Object.assign(env, {
      [prefix]: url,
      [`${prefix}_PROTO`]: protocol,
      [`${prefix}_PORT`]: String(port.port),
      [`${prefix}_ADDR`]: host,
    });
  }
  return env;
}

function constant(name: string): string {
  return name.toUpperCase().replaceAll('-', '_');
}

function decode(base64: string): string {
  return Buffer.from(base64, 'base64').toString();
}
