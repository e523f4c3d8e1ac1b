import { ApiError } from '../../api/errors.ts';
import type { KeyPairPem } from '../config.ts';
import type { Destination, DestinationOptions } from '../destinations/destination.ts';
import { resolveService } from '../destinations/resolve-service.ts';
import { type Backend, BackendError } from './backend.ts';

export interface ServiceReference {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
}

export interface ServiceTrust {
  /** Who signed the certificate; absent, the well-known authorities. */
  readonly caPem?: string | undefined;
  /** @default true */
  readonly verify?: boolean;
  /** What the API server shows. */
  readonly client?: KeyPairPem | undefined;
}

/**
 * A Service as a backend: one of its ready pods, dialled at its own address by way of its node; the certificate must be for
 * `<service>.<namespace>.svc`.
 * @throws {BackendError} at the hop `resolve`
 */
export function serviceBackend(
  service: ServiceReference,
  { destinations, caPem, verify = true, client }: ServiceTrust & { readonly destinations: DestinationOptions },
): Backend {
  const serverName = `${service.name}.${service.namespace}.svc`;
  const { host, port, node, pod } = resolve(service, destinations);
  return {
    host,
    port,
    node,
    network: 'cluster',
    title: pod ? `pod ${pod.namespace}/${pod.name}` : `service ${service.namespace}/${service.name}`,
    serverName,
    authority: `${serverName}:${service.port}`,
    verify,
    ...(caPem !== undefined && { caPem }),
    ...(client && { client }),
  };
}

function resolve(service: ServiceReference, destinations: DestinationOptions): Destination {
  try {
    return resolveService(service, destinations);
  } catch (cause) {
    const refused =
      cause instanceof ApiError ? cause.details?.causes?.find(({ reason }) => reason === 'EndpointRefused') : undefined;
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new BackendError('resolve', refused ? `${message}: ${refused.message}` : message, { cause });
  }
}

/** `caBundle` as it is stored, base64 of PEM. */
export function decodeCaBundle(caBundle: string | undefined): string | undefined {
  if (caBundle === undefined || caBundle === '') return undefined;
  return Buffer.from(caBundle, 'base64').toString('utf8');
}
