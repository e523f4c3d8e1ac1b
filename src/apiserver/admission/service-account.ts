import { randomInt } from 'node:crypto';
import type { Container, Pod, PodSpec, ServiceAccount, Volume } from '../../api/kubernetes/core-v1.ts';
import { isMirrorPod, visitPodReferences } from '../../auth/authorization/pod-references.ts';
import type { ObjectSource } from '../../auth/object-source.ts';
import type { Clock } from '../../lib/clock.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';
import { deny } from './deny.ts';
import type { LiveObjects } from './live-objects.ts';
import { limitSecretReferences, limitsSecrets } from './mountable-secrets.ts';
import { newObject, resourceKey } from './typed-object.ts';

/** Where every client library looks for its token. */
const mountPath = '/var/run/secrets/kubernetes.io/serviceaccount';
const volumePrefix = 'kube-api-access-';
/** Upstream's magic number: it marks tokens that were mounted without being asked for. */
const tokenExpirationSeconds = 3607;
/** The controller makes `default` soon after its namespace: creating both at once must work. */
const defaultAccountTries = 10;

/** Gives every pod a service account, and with it the cluster's root certificate and a bound token. */
export class ServiceAccountAdmission implements AdmissionPlugin {
  readonly name = 'ServiceAccount';
  readonly #objects: ObjectSource;
  readonly #live: LiveObjects;
  readonly #clock: Clock;

  constructor({ objects, live, clock }: { objects: ObjectSource; live: LiveObjects; clock: Clock }) {
    this.#objects = objects;
    this.#live = live;
    this.#clock = clock;
  }

  admit(attributes: AdmissionAttributes): void | Promise<void> {
    if (!concernsPod(attributes) || attributes.operation !== 'CREATE' || attributes.subresource !== '') return;
    return this.#complete(attributes);
  }

  validate(attributes: AdmissionAttributes): void | Promise<void> {
    if (concernsPod(attributes)) return this.#check(attributes);
  }

  async #complete(attributes: AdmissionAttributes): Promise<void> {
    const pod = newObject<Pod & { spec: PodSpec }>(attributes);
    if (isMirrorPod(pod)) return;
    const name = pod.spec.serviceAccountName || 'default';
    pod.spec.serviceAccountName = name;
    // The old name of the field, which upstream keeps equal.
    pod.spec.serviceAccount = name;
    const account = await this.#account(attributes, name);
    const automount = pod.spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true;
    if (automount) mountToken(pod.spec);
    if (!pod.spec.imagePullSecrets?.length && account.imagePullSecrets?.length) {
      pod.spec.imagePullSecrets = structuredClone(account.imagePullSecrets);
    }
  }

  async #check(attributes: AdmissionAttributes): Promise<void> {
    const pod = newObject<Pod & { spec: PodSpec }>(attributes);
    const addsEphemeral = attributes.operation === 'UPDATE' && attributes.subresource === 'ephemeralcontainers';
    if (addsEphemeral) {
      const account = await this.#account(attributes, pod.spec.serviceAccountName || 'default');
      if (limitsSecrets(account)) limitSecretReferences(attributes, { account, pod, ephemeralOnly: true });
      return;
    }
    if (attributes.operation !== 'CREATE' || attributes.subresource !== '') return;
    if (isMirrorPod(pod)) {
      checkMirrorPod(attributes, pod);
      return;
    }
    const name = pod.spec.serviceAccountName;
    if (!name) {
      throw deny(attributes, `no service account specified for pod ${attributes.namespace}/${attributes.name}`);
    }
    const account = await this.#account(attributes, name);
    if (limitsSecrets(account)) limitSecretReferences(attributes, { account, pod, ephemeralOnly: false });
  }

  async #account(attributes: AdmissionAttributes, name: string): Promise<ServiceAccount> {
    const key = { namespace: attributes.namespace, name };
    const tries = name === 'default' ? defaultAccountTries : 1;
    for (let attempt = 1; ; attempt++) {
      const cached = this.#objects.get<ServiceAccount>('serviceaccounts', key);
      const found = cached ?? (await this.#live.get<ServiceAccount>('serviceaccounts', key));
      if (found) return found;
      if (attempt === tries) break;
      await this.#clock.delay(100 + randomInt(100));
    }
    const missing = `serviceaccount "${name}" not found`;
    throw deny(attributes, `error looking up service account ${attributes.namespace}/${name}: ${missing}`);
  }
}

function concernsPod(attributes: AdmissionAttributes): boolean {
  const { operation } = attributes;
  return (operation === 'CREATE' || operation === 'UPDATE') && resourceKey(attributes) === 'pods';
}

/** Adds the token's volume where some container has nothing mounted at its path. */
function mountToken(spec: PodSpec): void {
  const present = spec.volumes?.find(({ name }) => name.startsWith(volumePrefix));
  const name = present?.name ?? `${volumePrefix}${randomSuffix()}`;
  const containers: Container[] = [...(spec.initContainers ?? []), ...spec.containers];
  const without = containers.filter(
    ({ volumeMounts = [] }) => !volumeMounts.some((mount) => mount.mountPath === mountPath),
  );
  for (const container of without) {
    container.volumeMounts = [...(container.volumeMounts ?? []), { name, readOnly: true, mountPath }];
  }
  if (without.length > 0 && present === undefined) spec.volumes = [...(spec.volumes ?? []), tokenVolume(name)];
}

function tokenVolume(name: string): Volume {
  return {
    name,
    projected: {
      sources: [
        { serviceAccountToken: { expirationSeconds: tokenExpirationSeconds, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        {
          downwardAPI: {
            items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
          },
        },
      ],
      defaultMode: 0o644,
    },
  };
}

function randomSuffix(): string {
  const alphabet = 'bcdfghjklmnpqrstvwxz2456789';
  return Array.from({ length: 5 }, () => alphabet[randomInt(alphabet.length)]).join('');
}

/** A node shows such pods without asking: they may not pull anything of the cluster towards it. */
function checkMirrorPod(attributes: AdmissionAttributes, pod: Pod & { spec: PodSpec }): void {
  if (pod.spec.serviceAccountName) throw deny(attributes, 'a mirror pod may not reference service accounts');
  visitPodReferences(pod, (resource) => {
    if (resource === 'secrets') throw deny(attributes, 'a mirror pod may not reference secrets');
  });
  const sources = (pod.spec.volumes ?? []).flatMap(({ projected }) => projected?.sources ?? []);
  if (sources.some(({ serviceAccountToken }) => serviceAccountToken !== undefined)) {
    throw deny(attributes, 'a mirror pod may not use ServiceAccountToken volume projections');
  }
}
