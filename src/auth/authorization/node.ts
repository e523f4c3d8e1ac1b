import { ApiError } from '../../api/errors.ts';
import { parseFieldSelector } from '../../api/field-selector-parser.ts';
import type { Pod } from '../../api/kubernetes/core-v1.ts';
import type { ResourceSlice } from '../../api/kubernetes/resource-v1.ts';
import type { VolumeAttachment } from '../../api/kubernetes/storage-v1.ts';
import type { Attributes, Authorizer, Decision } from '../authorizer.ts';
import type { ObjectSource } from '../object-source.ts';
import { nodeRules } from './bootstrap/node-rules.ts';
import { nodeIdentity } from './node-identity.ts';
import type { PodReferenceIndex } from './pod-reference-index.ts';
import type { ReferencedResource } from './pod-references.ts';
import { RuleSet } from './rule-set.ts';

type ResourceAttributes = Attributes & { kind: 'resource' };
/** One question, with the name of the node that asks. */
type Question = Omit<ResourceAttributes, 'kind'> & { node: string };

const allow: Decision = { verdict: 'allow', reason: '' };
const no = (reason: string): Decision => ({ verdict: 'noOpinion', reason });
const leaseNamespace = 'kube-node-lease';

/**
 * Lets a kubelet reach what the pods on its node need, and nothing of other nodes. It never denies: another authorizer may still allow.
 * Source: kubernetes `plugin/pkg/auth/authorizer/node/node_authorizer.go`.
 */
export class NodeAuthorizer implements Authorizer {
  readonly name = 'Node';
  readonly #objects: ObjectSource;
  readonly #references: PodReferenceIndex;
  readonly #rules = new RuleSet(nodeRules);

  constructor({ objects, references }: { objects: ObjectSource; references: PodReferenceIndex }) {
    this.#objects = objects;
    this.#references = references;
  }

  authorize(attributes: Attributes): Decision {
    const node = nodeIdentity(attributes.user);
    if (node === undefined) return no('');
    if (node === '') return no(`unknown node for user ${JSON.stringify(attributes.user.username)}`);
    if (attributes.kind === 'resource') {
      const decision = this.#authorizeResource({ ...attributes, node });
      if (decision) return decision;
    }
    return this.#rules.allows(attributes) ? allow : no('');
  }

  /** `undefined` for resources that only the static rules know. */
  #authorizeResource(question: Question): Decision | undefined {
    switch (question.group === '' ? question.resource : `${question.resource}.${question.group}`) {
      case 'secrets':
      case 'configmaps':
        return this.#readNamed(question, question.resource as ReferencedResource); // the two names of these cases
      case 'persistentvolumeclaims':
        return question.subresource === 'status' ? this.#updateClaimStatus(question) : this.#get(question);
      case 'persistentvolumes':
      case 'resourceclaims.resource.k8s.io':
      case 'volumeattachments.storage.k8s.io':
        return this.#get(question);
      case 'serviceaccounts':
        return question.subresource === '' ? this.#get(question) : this.#createToken(question);
      case 'pods':
        return this.#pods(question);
      case 'nodes':
        return nodes(question);
      case 'leases.coordination.k8s.io':
        return leases(question);
      case 'csinodes.storage.k8s.io':
        return csiNodes(question);
      case 'resourceslices.resource.k8s.io':
        return this.#resourceSlices(question);
      default:
        return undefined;
    }
  }

  #readNamed(question: Question, resource: ReferencedResource): Decision {
    if (!['get', 'list', 'watch'].includes(question.verb)) return no('can only read resources of this type');
    if (question.subresource !== '') return no('cannot read subresource');
    if (question.namespace === '') return no('can only read namespaced object of this type');
    return this.#related(question, resource);
  }

  #get(question: Question): Decision {
    if (question.verb !== 'get') return no('can only get individual resources of this type');
    if (question.subresource !== '') return no('cannot get subresource');
    return this.#related(question, question.resource);
  }

  #updateClaimStatus(question: Question): Decision {
    if (question.verb !== 'update' && question.verb !== 'patch') return no('can only get/update/patch this type');
    return this.#related(question, 'persistentvolumeclaims');
  }

  #createToken(question: Question): Decision {
    if (question.subresource !== 'token') return no('can only create token subresource of serviceaccount');
    if (question.verb !== 'create' || question.name === '') {
      return no('can only create tokens for individual service accounts');
    }
    return this.#related(question, 'serviceaccounts');
  }

  #pods(question: Question): Decision {
    const { verb, subresource, name, node, fieldSelector } = question;
    if (subresource === 'status') {
      return verb === 'update' || verb === 'patch' ? allow : no(`can only update or patch pod status, not ${verb}`);
    }
    if (subresource === 'eviction') {
      return verb === 'create' ? allow : no(`can only create pod evictions, not ${verb}`);
    }
    if (subresource !== '') return no(`cannot access pod subresource ${subresource}`);
    if (verb === 'create' || verb === 'delete') return allow;
    if (verb === 'get') return this.#related(question, 'pods');
    if (verb !== 'list' && verb !== 'watch') return no(`cannot ${verb} pods`);
    if (requires(fieldSelector, 'spec.nodeName', node)) return allow;
    if (name !== '') return this.#related(question, 'pods');
    return no('can only list/watch pods with spec.nodeName field selector');
  }

  #resourceSlices(question: Question): Decision {
    const { verb, subresource, node, fieldSelector } = question;
    if (subresource !== '') return no('cannot authorize ResourceSlice subresources');
    if (verb === 'create') return allow;
    if (['get', 'update', 'patch', 'delete'].includes(verb)) return this.#related(question, 'resourceslices');
    if (['list', 'watch', 'deletecollection'].includes(verb)) {
      if (requires(fieldSelector, 'nodeName', node) || requires(fieldSelector, 'spec.nodeName', node)) return allow;
      return no('can only list/watch/deletecollection resourceslices with nodeName field selector');
    }
    return no(
      'only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection',
    );
  }

  #related(question: Question, resource: string): Decision {
    const { name, namespace, node } = question;
    if (name === '') return no('No Object name found');
    if (this.#leadsTo(node, { resource, namespace, name })) return allow;
    return no(`no relationship found between node '${node}' and this object`);
  }

  #leadsTo(
    node: string,
    { resource, namespace, name }: { resource: string; namespace: string; name: string },
  ): boolean {
    switch (resource) {
      case 'pods':
        return this.#objects.get<Pod>('pods', { namespace, name })?.spec?.nodeName === node;
      case 'persistentvolumes':
        return this.#references.volumeLeadsTo(node, name);
      case 'volumeattachments': {
        const key = { namespace: '', name };
        const attachment = this.#objects.get<VolumeAttachment>('volumeattachments.storage.k8s.io', key);
        return attachment?.spec.nodeName === node;
      }
      case 'resourceslices': {
        const key = { namespace: '', name };
        return this.#objects.get<ResourceSlice>('resourceslices.resource.k8s.io', key)?.spec.nodeName === node;
      }
      default:
        // The resources left are those a pod refers to by name.
        return this.#references.leadsTo(node, { resource: resource as ReferencedResource, namespace, name });
    }
  }
}

function nodes({ verb, subresource, name, node }: Question): Decision {
  if (subresource === 'status') {
    return verb === 'update' || verb === 'patch' ? allow : no(`can only update or patch node status, not ${verb}`);
  }
  if (subresource !== '') return no(`cannot access node subresource ${subresource}`);
  if (verb === 'create' || verb === 'update' || verb === 'patch') return allow;
  if (verb !== 'get' && verb !== 'list' && verb !== 'watch') return no(`cannot ${verb} nodes`);
  if (name === node) return allow;
  if (name === '') return no(`node '${node}' cannot read all nodes, only its own Node object`);
  return no(`node '${node}' cannot read '${name}', only its own Node object`);
}

function leases({ verb, subresource, namespace, name, node }: Question): Decision {
  if (!['get', 'create', 'update', 'patch', 'delete'].includes(verb)) {
    return no('can only get, create, update, patch, or delete a node lease');
  }
  if (subresource !== '') return no('cannot authorize lease subresources');
  if (namespace !== leaseNamespace) return no(`can only access leases in the "${leaseNamespace}" system namespace`);
  // The name of a new lease is in its body: NodeRestriction judges it.
  if (verb !== 'create' && name !== node)
    return no('can only access node lease with the same name as the requesting node');
  return allow;
}

function csiNodes({ verb, subresource, name, node }: Question): Decision {
  if (!['get', 'create', 'update', 'patch', 'delete'].includes(verb)) {
    return no('can only get, create, update, patch, or delete a CSINode');
  }
  if (subresource !== '') return no('cannot authorize CSINode subresources');
  if (verb !== 'create' && name !== node)
    return no('can only access CSINode with the same name as the requesting node');
  return allow;
}

/** Whether every object that `selector` lets through has `field` equal to `value`. Read by the parser that later filters. */
function requires(selector: string | undefined, field: string, value: string): boolean {
  if (selector === undefined) return false;
  try {
    return parseFieldSelector(selector).some((term) => term.equal && term.field === field && term.value === value);
  } catch (error) {
    // A selector that cannot be read narrows nothing.
    if (error instanceof ApiError) return false;
    throw error;
  }
}
