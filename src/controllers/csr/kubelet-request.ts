import { isIP } from 'node:net';
import type { CertificateSigningRequestSpec } from '../../api/kubernetes/certificates-v1.ts';
import { canonicalAddress } from '../../pki/certificate.ts';
import type { ParsedRequest } from '../../pki/certificate-request.ts';

export const clientKubeletSigner = 'kubernetes.io/kube-apiserver-client-kubelet';
export const clientSigner = 'kubernetes.io/kube-apiserver-client';
export const servingSigner = 'kubernetes.io/kubelet-serving';

const nodePrefix = 'system:node:';
const nodesGroup = 'system:nodes';

/** Why the request is none for a kubelet's client certificate; undefined where it is one. */
export function clientKubeletProblem(request: ParsedRequest, usages: readonly string[]): string | undefined {
  const names = [request.dnsNames, request.ipAddresses, request.emailAddresses, request.uris, request.otherNames];
  if (names.some((list) => list.length > 0)) return 'alternative names are not allowed';
  return subjectProblem(request) ?? usagesProblem(usages, 'client auth');
}

/** Why the request is none for a kubelet's serving certificate; undefined where it is one. Whether its names are true is another question. */
export function servingKubeletProblem(request: ParsedRequest, usages: readonly string[]): string | undefined {
  if (request.dnsNames.length + request.ipAddresses.length === 0) return 'a DNS name or an address is required';
  if (request.emailAddresses.length + request.uris.length + request.otherNames.length > 0) {
    return 'only DNS names and addresses are allowed';
  }
  return subjectProblem(request) ?? usagesProblem(usages, 'server auth');
}

/** Why the request is none that `kubernetes.io/kube-apiserver-client` signs. */
export function clientProblem(request: ParsedRequest, usages: readonly string[]): string | undefined {
  if (request.organizations.includes('system:masters')) return 'organization system:masters is not allowed';
  if (!usages.includes('client auth')) return 'usage "client auth" is required';
  const extra = usages.find((usage) => !['client auth', 'digital signature', 'key encipherment'].includes(usage));
  return extra === undefined ? undefined : `usage ${JSON.stringify(extra)} is not allowed`;
}

export interface ServingFacts {
  readonly request: ParsedRequest;
  readonly spec: CertificateSigningRequestSpec;
  /** Whether the node object exists and is not being deleted. */
  readonly nodeExists: (name: string) => boolean;
  /** Where the request came from, as the API server saw it; undefined where it did not say. */
  readonly sourceAddress: string | undefined;
  /** Of the API server, and the virtual IP. */
  readonly reservedAddresses: readonly string[];
  /** Whether a node of another name has the address. */
  readonly isOtherNodes: (address: string, name: string) => boolean;
}

/**
 * Why a serving certificate must wait for a person; undefined where each of its names is proved:
 * the requester is the node, the DNS name is the node's own, and an address is the one the node's authenticated request came from.
 */
export function servingApprovalProblem(facts: ServingFacts): string | undefined {
  const { request, spec } = facts;
  const problem = servingKubeletProblem(request, spec.usages ?? []);
  if (problem !== undefined) return problem;
  if (spec.username !== request.commonName) return `requester ${spec.username} is not ${request.commonName}`;
  if (!spec.groups?.includes(nodesGroup)) return `requester is not in group ${nodesGroup}`;
  const name = request.commonName.slice(nodePrefix.length);
  if (!facts.nodeExists(name)) return `node "${name}" does not exist`;
  if (isReservedName(name)) return `the name "${name}" is reserved`;
  const foreign = request.dnsNames.find((dnsName) => dnsName !== name);
  if (foreign !== undefined) return `DNS name ${JSON.stringify(foreign)} is not the node's name`;
  for (const address of request.ipAddresses) {
    const why = addressProblem(address, name, facts);
    if (why !== undefined) return why;
  }
  return undefined;
}

function addressProblem(
  address: string,
  name: string,
  { sourceAddress, reservedAddresses, isOtherNodes }: ServingFacts,
): string | undefined {
  const canonical = canonicalAddress(address);
  if (sourceAddress === undefined || isIP(sourceAddress) === 0) return `address ${canonical} cannot be verified`;
  if (canonical !== canonicalAddress(sourceAddress)) return `address ${canonical} is not where the request came from`;
  if (reservedAddresses.some((reserved) => canonicalAddress(reserved) === canonical)) {
    return `address ${canonical} belongs to the control plane`;
  }
  if (isUnusable(canonical)) return `address ${canonical} names no single machine`;
  if (isOtherNodes(canonical, name)) return `address ${canonical} belongs to another node`;
  return undefined;
}

/** Names that clients give to the control plane or to themselves. */
function isReservedName(name: string): boolean {
  return name === 'localhost' || name.startsWith('kubernetes') || /\.svc(\.|$)/.test(name) || name.includes('*');
}

/** Unspecified, link-local and multicast addresses. */
function isUnusable(address: string): boolean {
  return /^(0\.|169\.254\.|2(2[4-9]|3\d)\.|255\.)/.test(address) || address === '::' || /^(fe[89ab]|ff)/i.test(address);
}

function subjectProblem({
  commonNames,
  commonName,
  organizations,
  otherSubjectAttributes,
}: ParsedRequest): string | undefined {
  if (organizations.length !== 1 || organizations[0] !== nodesGroup)
    return `organization must be exactly ${nodesGroup}`;
  if (commonNames.length !== 1 || !commonName.startsWith(nodePrefix) || commonName.length === nodePrefix.length) {
    return `common name must be ${nodePrefix}<name>`;
  }
  if (otherSubjectAttributes.length > 0) return `subject attribute ${otherSubjectAttributes[0]} is not allowed`;
  return undefined;
}

function usagesProblem(usages: readonly string[], purpose: string): string | undefined {
  const rest = new Set(usages);
  rest.delete('key encipherment');
  const exact = rest.size === 2 && rest.has('digital signature') && rest.has(purpose);
  return exact
    ? undefined
    : `usages must be "digital signature" and ${JSON.stringify(purpose)}, "key encipherment" at most`;
}
