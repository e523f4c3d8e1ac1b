import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { createSecureContext, type SecureContext } from 'node:tls';
import { ApiError, internalError } from '../../api/errors.ts';
import type { KubeObject } from '../../api/object.ts';

/** On a Service, a Pod or a Node: PEM, or base64 of PEM, of whom its serving certificate is verified against. */
export const caBundleAnnotation = 'fairlead.dev/proxy-ca-bundle';
/** The name that the certificate has to have. */
export const serverNameAnnotation = 'fairlead.dev/proxy-server-name';

/** What is proved about a backend before a request is sent to it. */
export type BackendTrust =
  | { readonly kind: 'plaintext' }
  | { readonly kind: 'unverified' }
  | {
      readonly kind: 'verified';
      readonly context: SecureContext;
      readonly serverName: string;
      /** Tells verified backends with different authorities apart. */
      readonly fingerprint: string;
    };

export interface TrustOptions {
  readonly scheme: 'http' | 'https' | '';
  /** The Service, Pod or Node that was named, and then what is behind it: the first that has annotations decides. */
  readonly owners: readonly KubeObject[];
  /** `name.namespace.svc` and the like, where no annotation names one. */
  readonly defaultServerName: string;
  /** The cluster's setting, for backends without an annotation of their own. */
  readonly clusterCaPem: string | undefined;
}

/**
 * What a request gets: plain HTTP where the scheme is empty or `http`, TLS without verification for `https`, both as upstream; and verified TLS where
 * the owner's annotation or the cluster's setting gives an authority. An annotation also makes an empty scheme mean verified TLS.
 * @throws {ApiError} 500 for an annotation that holds no certificate: it never falls back
 */
export function trustOf({ scheme, owners, defaultServerName, clusterCaPem }: TrustOptions): BackendTrust {
  if (scheme === 'http') return { kind: 'plaintext' };
  const owner = owners.find(({ metadata }) => metadata?.annotations?.[caBundleAnnotation] !== undefined);
  const annotations = owner?.metadata?.annotations ?? {};
  const bundle = annotations[caBundleAnnotation];
  if (bundle === undefined && scheme === '') return { kind: 'plaintext' };
  const pem = bundle ?? clusterCaPem;
  if (pem === undefined) return { kind: 'unverified' };
  const named = owners.map(({ metadata }) => metadata?.annotations?.[serverNameAnnotation]);
  const serverName = named.find((name) => name !== undefined && name !== '') ?? defaultServerName;
  const { context, fingerprint } = authorityOf(pem);
  return { kind: 'verified', context, serverName, fingerprint };
}

/** Why a certificate whose chain has been verified is not the backend's; its subject counts for nothing. */
export function checkBackendIdentity(der: Uint8Array, serverName: string): Error | undefined {
  const certificate = new X509Certificate(der);
  const exactly = { subject: 'never' } as const;
  const matched = isIP(serverName) ? certificate.checkIP(serverName) : certificate.checkHost(serverName, exactly);
  if (matched !== undefined) return undefined;
  return new Error(`the certificate is for ${certificate.subjectAltName ?? 'no names'}, not for ${serverName}`);
}

/** The refusal of a cluster that lets no request out unproved. */
export function refuseUnproved(resource: string, id: string, kind: 'plaintext' | 'unverified'): ApiError {
  const how = kind === 'plaintext' ? 'would be plain HTTP' : "would not verify the backend's certificate";
  const message = `${resource} ${JSON.stringify(id)} is forbidden: the connection ${how}, which this API server refuses (--proxy-strict): use https and give the object the annotation ${caBundleAnnotation}`;
  return new ApiError('Forbidden', message, { details: { name: id, kind: resource } });
}

export interface UnprovedConnection {
  readonly resource: string;
  readonly id: string;
  readonly kind: 'plaintext' | 'unverified';
  /** The node up to which a tunnel encrypts; `undefined` where there is none. */
  readonly tunnelledTo: string | undefined;
}

/** What the answer's `Warning` header says about a connection that proved nothing. */
export function warningOf({ resource, id, kind, tunnelledTo }: UnprovedConnection): string {
  const subject = `${resource} "${id}" was reached by`;
  if (kind === 'unverified') return `${subject} TLS without verification: annotate it with ${caBundleAnnotation}`;
  if (tunnelledTo === undefined) return `${subject} plain HTTP: neither encrypted nor verified`;
  return `${subject} plain HTTP: not verified, and encrypted only as far as node "${tunnelledTo}"`;
}

interface Authority {
  readonly context: SecureContext;
  readonly fingerprint: string;
}

const authorities = new Map<string, Authority>();
const maxAuthorities = 256;

function authorityOf(text: string): Authority {
  let authority = authorities.get(text);
  if (!authority) {
    const ca = text.includes('-----BEGIN') ? text : Buffer.from(text, 'base64').toString('latin1');
    try {
      const { fingerprint256 } = new X509Certificate(ca);
      authority = { context: createSecureContext({ ca }), fingerprint: fingerprint256 };
    } catch (cause) {
      throw internalError(`the annotation ${caBundleAnnotation} holds no certificate that can be read`, { cause });
    }
    if (authorities.size >= maxAuthorities) authorities.clear();
    authorities.set(text, authority);
  }
  return authority;
}
