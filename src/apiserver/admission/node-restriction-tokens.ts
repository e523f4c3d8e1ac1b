import { conflict, notFound } from '../../api/errors.ts';
import type { TokenRequest } from '../../api/kubernetes/authentication-v1.ts';
import type { Pod } from '../../api/kubernetes/core-v1.ts';
import type { CSIDriver } from '../../api/kubernetes/storage-v1.ts';
import type { AdmissionAttributes } from './admission.ts';
import { deny } from './deny.ts';
import type { NodeRestrictionOptions } from './node-restriction.ts';
import { newObject } from './typed-object.ts';

/** A kubelet gets tokens only for pods bound to it, and only for audiences that those pods name. */
export async function restrictToken(
  attributes: AdmissionAttributes,
  node: string,
  options: NodeRestrictionOptions,
): Promise<void> {
  if (attributes.operation !== 'CREATE' || attributes.subresource !== 'token') return;
  const { boundObjectRef: ref, audiences = [] } = newObject<TokenRequest>(attributes).spec ?? {};
  if (ref?.apiVersion !== 'v1' || ref.kind !== 'Pod' || !ref.name) {
    throw deny(attributes, 'node requested token not bound to a pod');
  }
  if (!ref.uid) throw deny(attributes, 'node requested token with a pod binding without a uid');
  const key = { namespace: attributes.namespace, name: ref.name };
  const pod = options.objects.get<Pod>('pods', key) ?? (await options.live.get<Pod>('pods', key));
  if (pod === undefined) throw notFound({ group: '', resource: 'pods' }, ref.name);
  if (pod.metadata?.uid !== ref.uid) {
    throw conflict(
      { group: '', resource: 'pods' },
      ref.name,
      `the UID in the bound object reference (${ref.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  }
  if (pod.spec?.nodeName !== node) {
    throw deny(attributes, 'node requested token bound to a pod scheduled on a different node');
  }
  await restrictAudience(attributes, { pod, audiences, options });
}

async function restrictAudience(
  attributes: AdmissionAttributes,
  { pod, audiences, options }: { pod: Pod; audiences: readonly string[]; options: NodeRestrictionOptions },
): Promise<void> {
  if (audiences.length > 1) throw deny(attributes, 'node may only request 0 or 1 audiences');
  const audience = audiences[0] ?? '';
  if (namedAudiences(pod, options).has(audience)) return;
  const { verdict } = await options.authorizer.authorize({
    kind: 'resource',
    user: attributes.user,
    verb: 'request-serviceaccounts-token-audience',
    group: '',
    version: 'v1',
    resource: audience,
    subresource: '',
    namespace: attributes.namespace,
    name: attributes.name,
  });
  if (verdict === 'allow') return;
  throw deny(attributes, `audience ${JSON.stringify(audience)} not found in pod spec volume`);
}

/** `''` stands for the API server's own audience. */
function namedAudiences(pod: Pod, { objects }: NodeRestrictionOptions): ReadonlySet<string> {
  const audiences = new Set<string>();
  for (const { projected, csi } of pod.spec?.volumes ?? []) {
    for (const { serviceAccountToken } of projected?.sources ?? []) {
      if (serviceAccountToken) audiences.add(serviceAccountToken.audience ?? '');
    }
    if (csi === undefined) continue;
    const key = { namespace: '', name: csi.driver };
    const driver = objects.get<CSIDriver>('csidrivers.storage.k8s.io', key);
    for (const { audience } of driver?.spec.tokenRequests ?? []) audiences.add(audience);
  }
  return audiences;
}
