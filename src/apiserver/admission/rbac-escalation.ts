import { isDeepStrictEqual } from 'node:util';
import type { ClusterRole, RoleBinding } from '../../api/kubernetes/rbac-v1.ts';
import type { JsonKubeObject } from '../../api/object.ts';
import { checkBinding, checkRoleEscalation } from '../../auth/authorization/escalation.ts';
import type { RuleResolver } from '../../auth/authorization/rule-resolver.ts';
import type { Authorizer } from '../../auth/authorizer.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';
import { newObject } from './typed-object.ts';

/**
 * Nobody grants rights they do not hold. Upstream does this in the storage of roles and bindings; here it runs on every write path
 * (create, update, patch, create on update) as an admission plugin that cannot be disabled.
 */
export class RbacEscalation implements AdmissionPlugin {
  readonly name = 'RbacEscalation';
  readonly #authorizer: Authorizer & RuleResolver;

  constructor({ authorizer }: { authorizer: Authorizer & RuleResolver }) {
    this.#authorizer = authorizer;
  }

  validate(attributes: AdmissionAttributes): void | Promise<void> {
    if (attributes.resource.group !== 'rbac.authorization.k8s.io') return;
    if (attributes.operation !== 'CREATE' && attributes.operation !== 'UPDATE') return;
    const { object, oldObject } = attributes;
    if (object && oldObject && onlyOwnershipChanged(object, oldObject)) return;
    return this.#check(attributes);
  }

  async #check(attributes: AdmissionAttributes): Promise<void> {
    const { user, resource, namespace, name, oldObject } = attributes;
    const context = { authorizer: this.#authorizer, user, resource, namespace, name };
    if (resource.resource === 'rolebindings' || resource.resource === 'clusterrolebindings') {
      return checkBinding(context, newObject<RoleBinding>(attributes).roleRef);
    }
    const { rules, aggregationRule } = newObject<ClusterRole>(attributes);
    const stored = oldObject as ClusterRole | undefined; // what is stored under a role's key is a role
    const aggregates = aggregationRule ?? stored?.aggregationRule;
    return checkRoleEscalation(context, { ...(rules && { rules }), aggregates });
  }
}

/** Whether all that changes is who owns the object and who holds its deletion: the garbage collector must be able to do that. */
function onlyOwnershipChanged(object: Readonly<JsonKubeObject>, oldObject: Readonly<JsonKubeObject>): boolean {
  return isDeepStrictEqual(withoutOwnership(object), withoutOwnership(oldObject));
}

function withoutOwnership({ metadata, ...content }: Readonly<JsonKubeObject>): unknown {
  const {
    ownerReferences: _owners,
    finalizers: _finalizers,
    managedFields: _fields,
    resourceVersion: _version,
    ...identity
  } = metadata;
  return { ...content, metadata: identity };
}
