import type { ClusterRole, ClusterRoleBinding, Role, RoleBinding } from '../../api/kubernetes/rbac-v1.ts';
import {
  validateBinding,
  validateBindingUpdate,
  validateClusterRole,
  validateRole,
} from '../../api/validation/rbac.ts';
import { typedStrategy } from './typed-strategy.ts';

export const roleStrategy = typedStrategy<Role>({ validate: validateRole });

export const clusterRoleStrategy = typedStrategy<ClusterRole>({ validate: validateClusterRole });

const inNamespace = { namespaced: true };
const everywhere = { namespaced: false };

export const roleBindingStrategy = typedStrategy<RoleBinding>({
  validate: (binding) => validateBinding(binding, inNamespace),
  validateUpdate: (binding, old) => validateBindingUpdate(binding, old, inNamespace),
});

export const clusterRoleBindingStrategy = typedStrategy<ClusterRoleBinding>({
  validate: (binding) => validateBinding(binding, everywhere),
  validateUpdate: (binding, old) => validateBindingUpdate(binding, old, everywhere),
});
