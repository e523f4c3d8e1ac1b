import { isIP } from 'node:net';
import { join } from 'node:path';
import { type Clock, systemClock } from '../lib/clock.ts';
import type { ClusterPki } from './authority.ts';
import { canonicalAddress, parseCertificate, parseCertificates } from './certificate.ts';
import {
  backdateMs,
  type CertificateAuthority,
  defaultLifetimeMs,
  type IssuedCertificate,
  type IssueOptions,
} from './certificate-authority.ts';
import { parsePrivateKey } from './key.ts';
import { readPrivateFile, writePrivateFile } from './private-file.ts';
import { verifyChain } from './verify-chain.ts';

/**
 * The identities of the control plane, each with the least rights upstream gives it.
 *
 * `admin` is in `system:masters`, which no role binding can take away: it is what a cluster is started with and what its owner keeps on
 * the machine that holds the CA keys anyway. People get other certificates or tokens, with rights by RBAC.
 */
export const controlPlaneClients = {
  admin: { commonName: 'kubernetes-admin', organizations: ['system:masters'] },
  controllerManager: { commonName: 'system:kube-controller-manager' },
  scheduler: { commonName: 'system:kube-scheduler' },
  apiserverKubeletClient: { commonName: 'kube-apiserver-kubelet-client' },
} as const;

export type ControlPlaneClient = keyof typeof controlPlaneClients;

const fileNames: Readonly<Record<ControlPlaneClient, string>> = {
  admin: 'admin',
  controllerManager: 'controller-manager',
  scheduler: 'scheduler',
  apiserverKubeletClient: 'apiserver-kubelet-client',
};

export interface EnsureOptions {
  readonly clock?: Clock;
}

/** A client certificate of the cluster CA for one part of the control plane. */
export function ensureClientCertificate(
  pki: ClusterPki,
  client: ControlPlaneClient,
  options: EnsureOptions = {},
): Promise<IssuedCertificate> {
  return ensureCertificate(
    pathOf(pki, fileNames[client]),
    pki.cluster,
    { ...controlPlaneClients[client], usages: ['client'] },
    options,
  );
}

/** What the API server shows extension API servers: it may name users to them. */
export function ensureFrontProxyCertificate(pki: ClusterPki, options: EnsureOptions = {}): Promise<IssuedCertificate> {
  const request = { commonName: 'front-proxy-client', usages: ['client'] } as const;
  return ensureCertificate(pathOf(pki, 'front-proxy-client'), pki.frontProxy, request, options);
}

export interface ServingNames {
  /** The machine's name. */
  readonly hostName?: string;
  /** @default 'cluster.local' */
  readonly dnsDomain?: string;
  /** First address of the service range: pods dial it. */
  readonly serviceAddress?: string;
  readonly advertiseAddress?: string;
  /** Names and addresses of the operator's own. */
  readonly extraNames?: readonly string[];
}

/** The API server's serving certificate, for every name and address that clients dial. */
export function ensureServingCertificate(
  pki: ClusterPki,
  names: ServingNames,
  options: EnsureOptions = {},
): Promise<IssuedCertificate> {
  const { hostName, dnsDomain = 'cluster.local', serviceAddress, advertiseAddress, extraNames = [] } = names;
  const extraAddresses = extraNames.filter(isAddress);
  const dnsNames = [
    ...(hostName === undefined ? [] : [hostName]),
    'kubernetes',
    'kubernetes.default',
    'kubernetes.default.svc',
    `kubernetes.default.svc.${dnsDomain}`,
    'localhost',
    ...extraNames.filter((name) => !isAddress(name)),
  ];
  const ipAddresses = [serviceAddress ?? [], advertiseAddress ?? [], '127.0.0.1', '::1', ...extraAddresses].flat();
  return ensureCertificate(
    pathOf(pki, 'apiserver'),
    pki.cluster,
    {
      commonName: 'kube-apiserver',
      dnsNames: [...new Set(dnsNames)],
      ipAddresses: [...new Set(ipAddresses.map(canonicalAddress))],
      usages: ['server'],
    },
    options,
  );
}

/**
 * Gives the certificate at `path` (`<path>.crt`, `<path>.key`) while it is what was asked for, and issues it anew when it is not: missing,
 * unreadable, of another CA or subject, for other names, or with less than a third of its life left. Without a path nothing is kept.
 */
export async function ensureCertificate(
  path: string | undefined,
  authority: CertificateAuthority,
  request: IssueOptions,
  { clock = systemClock }: EnsureOptions = {},
): Promise<IssuedCertificate> {
  if (path === undefined) return authority.issue(request);
  const [certificatePem, privateKeyPem] = await Promise.all([
    readPrivateFile(`${path}.crt`),
    readPrivateFile(`${path}.key`),
  ]);
  if (certificatePem !== undefined && privateKeyPem !== undefined) {
    const issued = { certificatePem, privateKeyPem };
    if (isStillGood(issued, authority, request, clock.now())) return issued;
  }
  const issued = await authority.issue(request);
  await writePrivateFile(`${path}.key`, issued.privateKeyPem);
  await writePrivateFile(`${path}.crt`, issued.certificatePem);
  return issued;
}

function isStillGood(
  issued: IssuedCertificate,
  authority: CertificateAuthority,
  request: IssueOptions,
  nowMs: number,
): boolean {
  try {
    const [leaf] = parseCertificates(issued.certificatePem);
    if (!leaf?.checkPrivateKey(parsePrivateKey(issued.privateKeyPem).privateKey)) return false;
    const { commonName, organizations, dnsNames, ipAddresses, notBeforeMs, notAfterMs } = parseCertificate(leaf);
    const lifetimeMs = notAfterMs - notBeforeMs;
    const askedMs = (request.lifetimeMs ?? defaultLifetimeMs) + backdateMs;
    const same =
      commonName === request.commonName &&
      sameSet(organizations, request.organizations ?? []) &&
      sameSet(dnsNames, request.dnsNames ?? []) &&
      sameSet(ipAddresses, (request.ipAddresses ?? []).map(canonicalAddress)) &&
      lifetimeMs <= askedMs;
    if (!same || nowMs > notAfterMs - lifetimeMs / 3) return false;
    return request.usages.every(
      (usage) => verifyChain([leaf], { authorities: [authority.certificate], usage, nowMs }).valid,
    );
  } catch {
    return false; // it cannot be read: leaf certificates are made anew, unlike the authorities they come from
  }
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  const left = new Set(a);
  return left.size === new Set(b).size && b.every((value) => left.has(value));
}

function isAddress(name: string): boolean {
  return isIP(name) !== 0;
}

function pathOf({ directory }: ClusterPki, name: string): string | undefined {
  return directory === undefined ? undefined : join(directory, name);
}
