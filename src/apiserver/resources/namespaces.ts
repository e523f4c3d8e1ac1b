import type { Namespace } from '../../api/kubernetes/core-v1.ts';
import {
  validateNamespace,
  validateNamespaceFinalize,
  validateNamespaceStatus,
} from '../../api/validation/namespace.ts';
import { typedStrategy } from './typed-strategy.ts';

const finalizer = 'kubernetes';

/** Namespaces: Active until deleted, and kept until `finalize` has taken the last of their own finalizers away. */
export const namespaceStrategy = typedStrategy<Namespace>({
  separateStatus: false,
  prepareForCreate(namespace) {
    namespace.status = { phase: 'Active' };
    const finalizers = namespace.spec?.finalizers ?? [];
    namespace.spec = {
      ...namespace.spec,
      finalizers: finalizers.includes(finalizer) ? finalizers : [...finalizers, finalizer],
    };
  },
  prepareForUpdate(namespace, old, { subresource }) {
    if (subresource !== 'finalize') {
      if (old.spec) namespace.spec = old.spec;
      else delete namespace.spec;
    }
    if (subresource === 'status') return;
    if (old.status) namespace.status = old.status;
    else delete namespace.status;
  },
  validate: validateNamespace,
  validateUpdate(namespace, _old, { subresource }) {
    if (subresource === 'status') return validateNamespaceStatus(namespace);
    return subresource === 'finalize' ? validateNamespaceFinalize(namespace) : [];
  },
  keepsWhileDeleting: ({ spec }) => (spec?.finalizers ?? []).length > 0,
  markDeleting(namespace) {
    namespace.status = { ...namespace.status, phase: 'Terminating' };
  },
});
