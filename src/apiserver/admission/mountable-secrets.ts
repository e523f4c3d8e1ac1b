import type { Pod, ServiceAccount } from '../../api/kubernetes/core-v1.ts';
import type { AdmissionAttributes } from './admission.ts';
import { deny } from './deny.ts';

/** Whether pods of the account may use only the secrets that it lists (deprecated upstream, still honoured). */
export function limitsSecrets({ metadata }: ServiceAccount): boolean {
  return isTrue(metadata?.annotations?.['kubernetes.io/enforce-mountable-secrets']);
}

/** Refuses a pod that refers to a secret its account does not list: in volumes, env, envFrom and imagePullSecrets, in every kind of container. */
export function limitSecretReferences(
  attributes: AdmissionAttributes,
  { account, pod, ephemeralOnly }: { account: ServiceAccount; pod: Pod; ephemeralOnly: boolean },
): void {
  const owner = account.metadata?.name ?? '';
  const mountable = new Set((account.secrets ?? []).map(({ name }) => name));
  const refuse = (what: string, referenced = 'secret') =>
    deny(attributes, `${what} is not allowed because service account ${owner} does not reference that ${referenced}`);
  for (const [kind, containers] of containersOf(pod, ephemeralOnly)) {
    for (const { name, env = [], envFrom = [] } of containers) {
      for (const { name: variable, valueFrom } of env) {
        const secret = valueFrom?.secretKeyRef?.name;
        if (secret !== undefined && !mountable.has(secret)) {
          throw refuse(`${kind} ${name} with envVar ${variable} referencing secret.secretName="${secret}"`);
        }
      }
      for (const { secretRef } of envFrom) {
        if (secretRef?.name !== undefined && !mountable.has(secretRef.name)) {
          throw refuse(`${kind} ${name} with envFrom referencing secret.secretName="${secretRef.name}"`);
        }
      }
    }
  }
  if (ephemeralOnly) return;
  for (const { secret, projected } of pod.spec?.volumes ?? []) {
    const names = [secret?.secretName, ...(projected?.sources ?? []).map((source) => source.secret?.name)];
    for (const name of names) {
      if (name !== undefined && !mountable.has(name)) throw refuse(`volume with secret.secretName="${name}"`);
    }
  }
  const pullable = new Set((account.imagePullSecrets ?? []).map(({ name }) => name));
  for (const [index, { name }] of (pod.spec?.imagePullSecrets ?? []).entries()) {
    if (!pullable.has(name)) throw refuse(`imagePullSecrets[${index}].name="${name}"`, 'imagePullSecret');
  }
}

function containersOf({ spec }: Pod, ephemeralOnly: boolean) {
  const ephemeral = ['ephemeral container', spec?.ephemeralContainers ?? []] as const;
  if (ephemeralOnly) return [ephemeral];
  return [['init container', spec?.initContainers ?? []], ['container', spec?.containers ?? []], ephemeral] as const;
}

function isTrue(text: string | undefined): boolean {
  return text !== undefined && ['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text);
}
