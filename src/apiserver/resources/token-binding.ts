import { badRequest, conflict, notFound } from '../../api/errors.ts';
import type { BoundObjectReference } from '../../api/kubernetes/authentication-v1.ts';
import type { Pod } from '../../api/kubernetes/core-v1.ts';
import type { KubeObject } from '../../api/object.ts';
import type { ObjectSource } from '../../auth/object-source.ts';
import type { NamedReference } from '../../auth/service-account-claims.ts';
import type { ServiceAccountName } from '../../auth/service-account-name.ts';

/** What a token ends with. A token for a pod also tells on which node it runs. */
export interface TokenBinding {
  readonly pod?: NamedReference;
  readonly secret?: NamedReference;
  readonly node?: NamedReference;
}

const resources = { Pod: 'pods', Secret: 'secrets', Node: 'nodes' } as const;

/**
 * Finds what a TokenRequest wants its token bound to.
 * @throws {ApiError} 400 for another kind or a pod of another account, 404 where it is not there, 409 for another uid
 */
export function bindToken(
  reference: BoundObjectReference | undefined,
  account: ServiceAccountName,
  objects: ObjectSource,
): TokenBinding {
  if (!reference) return {};
  const { apiVersion = '', kind = '', name = '' } = reference;
  if (apiVersion !== 'v1' || !isBindable(kind)) {
    throw badRequest(`cannot bind token to object of type ${apiVersion}, Kind=${kind}`);
  }
  const resource = resources[kind];
  const object = objects.get(resource, { namespace: kind === 'Node' ? '' : account.namespace, name });
  if (!object) throw notFound({ group: '', resource }, name);
  const bound = { name, uid: object.metadata?.uid ?? '' };
  const node = kind === 'Pod' ? nodeOf(object, account, objects) : undefined;
  if (reference.uid && reference.uid !== bound.uid) {
    const why = `the UID in the bound object reference (${reference.uid}) does not match the UID in record. The object might have been deleted and then recreated`;
    throw conflict({ group: '', resource: kind }, name, why);
  }
  if (kind === 'Pod') return { pod: bound, ...(node && { node }) };
  return kind === 'Secret' ? { secret: bound } : { node: bound };
}

/** The node of a pod that runs as `account`; a Node that is not there is told by name alone. */
function nodeOf(object: KubeObject, account: ServiceAccountName, objects: ObjectSource): NamedReference | undefined {
  const { serviceAccountName, nodeName } = (object as Pod).spec ?? {}; // it was read as a pod
  if (serviceAccountName !== account.name) {
    const quoted = JSON.stringify(account.name);
    throw badRequest(
      `cannot bind token for serviceaccount ${quoted} to pod running with different serviceaccount name.`,
    );
  }
  if (!nodeName) return undefined;
  return { name: nodeName, uid: objects.get('nodes', { namespace: '', name: nodeName })?.metadata?.uid ?? '' };
}

function isBindable(kind: string): kind is keyof typeof resources {
  return Object.hasOwn(resources, kind);
}
