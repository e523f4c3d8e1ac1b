import { ApiError, notFound } from '../../api/errors.ts';
import type { Namespace } from '../../api/kubernetes/core-v1.ts';
import type { ObjectSource } from '../../auth/object-source.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';
import { deny } from './deny.ts';
import type { LiveObjects } from './live-objects.ts';
import { resourceKey } from './typed-object.ts';

const immortal = new Set(['default', 'kube-system', 'kube-public']);

/** Keeps content out of namespaces that are missing or going, and the system namespaces from being deleted. */
export class NamespaceLifecycle implements AdmissionPlugin {
  readonly name = 'NamespaceLifecycle';
  readonly #objects: ObjectSource;
  readonly #live: LiveObjects;

  constructor({ objects, live }: { objects: ObjectSource; live: LiveObjects }) {
    this.#objects = objects;
    this.#live = live;
  }

  admit(attributes: AdmissionAttributes): void | Promise<void> {
    const { operation, name, namespace, resource } = attributes;
    if (resourceKey(attributes) === 'namespaces') {
      if (operation === 'DELETE' && immortal.has(name)) throw deny(attributes, 'this namespace may not be deleted');
      return;
    }
    // Deleting always works, and access reviews may ask about any namespace.
    if (namespace === '' || operation === 'DELETE' || resource.group === 'authorization.k8s.io') return;
    const found = this.#objects.get<Namespace>('namespaces', { namespace: '', name: namespace });
    if (found) checkActive(attributes, found);
    else return this.#checkLive(attributes);
  }

  async #checkLive(attributes: AdmissionAttributes): Promise<void> {
    const { namespace: name } = attributes;
    const found = await this.#live.get<Namespace>('namespaces', { namespace: '', name });
    if (found === undefined) throw notFound({ group: '', resource: 'namespaces' }, name);
    checkActive(attributes, found);
  }
}

function checkActive(attributes: AdmissionAttributes, { status, metadata }: Namespace): void {
  const going = status?.phase === 'Terminating' || metadata?.deletionTimestamp !== undefined;
  if (attributes.operation !== 'CREATE' || !going) return;
  const { namespace } = attributes;
  const refusal = deny(
    attributes,
    `unable to create new content in namespace ${namespace} because it is being terminated`,
  );
  const cause = {
    reason: 'NamespaceTerminating',
    message: `namespace ${namespace} is being terminated`,
    field: 'metadata.namespace',
  };
  throw new ApiError('Forbidden', refusal.message, { details: { ...refusal.details, causes: [cause] } });
}
