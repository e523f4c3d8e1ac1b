import { isDeepStrictEqual } from 'node:util';
import type { CertificateSigningRequest } from '../../api/kubernetes/certificates-v1.ts';
import type { Lease } from '../../api/kubernetes/coordination-v1.ts';
import type { PersistentVolumeClaim } from '../../api/kubernetes/core-v1.ts';
import type { ResourceSlice } from '../../api/kubernetes/resource-v1.ts';
import { nodeIdentity } from '../../auth/authorization/node-identity.ts';
import type { Authorizer } from '../../auth/authorizer.ts';
import type { ObjectSource } from '../../auth/object-source.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';
import { readRequest } from './certificate-request-reader.ts';
import { deny } from './deny.ts';
import type { LiveObjects } from './live-objects.ts';
import { restrictNode } from './node-restriction-nodes.ts';
import { restrictPod } from './node-restriction-pods.ts';
import { restrictToken } from './node-restriction-tokens.ts';
import { newObject, resourceKey, storedObject } from './typed-object.ts';

/** What the checks of one request look things up in. */
export interface NodeRestrictionOptions {
  objects: ObjectSource;
  live: LiveObjects;
  /** Asked for token audiences that no pod names. */
  authorizer: Authorizer;
}

const leaseNamespace = 'kube-node-lease';

/**
 * Holds a kubelet to its own Node, and to the pods bound to it. What it may touch at all is the Node authorizer's matter.
 * Source: kubernetes `plugin/pkg/admission/noderestriction/admission.go`.
 */
export class NodeRestriction implements AdmissionPlugin {
  readonly name = 'NodeRestriction';
  readonly #options: NodeRestrictionOptions;

  constructor(options: NodeRestrictionOptions) {
    this.#options = options;
  }

  admit(attributes: AdmissionAttributes): void | Promise<void> {
    const node = nodeIdentity(attributes.user);
    if (node === undefined) return;
    if (node === '') {
      throw deny(attributes, `could not determine node from user ${JSON.stringify(attributes.user.username)}`);
    }
    switch (resourceKey(attributes)) {
      case 'pods':
        return restrictPod(attributes, node, this.#options);
      case 'nodes':
        return restrictNode(attributes, node);
      case 'persistentvolumeclaims':
        return restrictClaim(attributes, node);
      case 'serviceaccounts':
        return restrictToken(attributes, node, this.#options);
      case 'leases.coordination.k8s.io':
        return restrictLease(attributes, node);
      case 'csinodes.storage.k8s.io':
        return restrictCsiNode(attributes, node);
      case 'resourceslices.resource.k8s.io':
        return restrictResourceSlice(attributes, node);
      case 'certificatesigningrequests.certificates.k8s.io':
        return restrictRequest(attributes, node);
    }
  }
}

function restrictClaim(attributes: AdmissionAttributes, node: string): void {
  if (attributes.operation !== 'UPDATE') throw deny(attributes, `unexpected operation "${attributes.operation}"`);
  if (attributes.subresource !== 'status') {
    throw deny(attributes, `unexpected subresource "${attributes.subresource}", only 'status' is allowed`);
  }
  const changed = withoutVolumeState(newObject<PersistentVolumeClaim>(attributes));
  if (isDeepStrictEqual(changed, withoutVolumeState(storedObject<PersistentVolumeClaim>(attributes)))) return;
  throw deny(
    attributes,
    `node "${node}" is not allowed to update fields other than status.quantity and status.conditions`,
  );
}

/** The claim without what a kubelet that has grown a volume reports, and without what every write changes. */
function withoutVolumeState({ metadata, spec, status }: Readonly<PersistentVolumeClaim>): unknown {
  const { managedFields: _fields, resourceVersion: _version, ...identity } = metadata ?? {};
  const {
    capacity: _capacity,
    conditions: _conditions,
    allocatedResources: _resources,
    allocatedResourceStatuses: _statuses,
    ...rest
  } = status ?? {};
  return { metadata: identity, spec, status: rest };
}

function restrictLease(attributes: AdmissionAttributes, node: string): void {
  if (attributes.namespace !== leaseNamespace) {
    throw deny(attributes, `can only access leases in the "${leaseNamespace}" system namespace`);
  }
  if (ownName<Lease>(attributes) !== node) {
    throw deny(attributes, 'can only access node lease with the same name as the requesting node');
  }
}

function restrictCsiNode(attributes: AdmissionAttributes, node: string): void {
  if (ownName(attributes) !== node) {
    throw deny(attributes, 'can only access CSINode with the same name as the requesting node');
  }
}

/** On create the name in the body counts: the URL has none. */
function ownName<T extends { metadata?: { name?: string } }>(attributes: AdmissionAttributes): string | undefined {
  return attributes.operation === 'CREATE' ? newObject<T>(attributes).metadata?.name : attributes.name;
}

function restrictResourceSlice(attributes: AdmissionAttributes, node: string): void {
  const { operation } = attributes;
  if (operation === 'CREATE' && newObject<ResourceSlice>(attributes).spec.nodeName !== node) {
    throw deny(attributes, 'can only create ResourceSlice with the same NodeName as the requesting node');
  }
  if (
    operation === 'DELETE' &&
    attributes.oldObject &&
    storedObject<ResourceSlice>(attributes).spec.nodeName !== node
  ) {
    throw deny(attributes, 'can only delete ResourceSlice with the same NodeName as the requesting node');
  }
}

async function restrictRequest(attributes: AdmissionAttributes, node: string): Promise<void> {
  if (attributes.operation !== 'CREATE' || attributes.subresource !== '') return;
  const { signerName } = newObject<CertificateSigningRequest>(attributes).spec;
  const concerned = ['kubernetes.io/kubelet-serving', 'kubernetes.io/kube-apiserver-client-kubelet'];
  if (!concerned.includes(signerName)) return;
  const { commonName } = await readRequest(attributes, 'unable to parse csr');
  const own = `system:node:${node}`;
  if (commonName !== own) throw deny(attributes, `can only create a node CSR with CN=${own}`);
}
