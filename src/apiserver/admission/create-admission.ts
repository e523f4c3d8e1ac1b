import type { RuleResolver } from '../../auth/authorization/rule-resolver.ts';
import type { Authorizer } from '../../auth/authorizer.ts';
import type { ObjectSource } from '../../auth/object-source.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { ConfigError } from '../../lib/config-error.ts';
import type { AdmissionPlugin } from './admission.ts';
import { CertificateApproval } from './certificate-approval.ts';
import { CertificateSigning } from './certificate-signing.ts';
import { certificateSubjectRestriction } from './certificate-subject-restriction.ts';
import { ClusterTrustBundleAttest } from './cluster-trust-bundle-attest.ts';
import { defaultTolerationSeconds } from './default-toleration-seconds.ts';
import { JoinToken } from './join-token.ts';
import type { LiveObjects } from './live-objects.ts';
import { NamespaceLifecycle } from './namespace-lifecycle.ts';
import { NodeRestriction } from './node-restriction.ts';
import { Priority } from './priority.ts';
import { RbacEscalation } from './rbac-escalation.ts';
import { ServiceAccountAdmission } from './service-account.ts';
import { taintNodesByCondition } from './taint-nodes-by-condition.ts';

export interface AdmissionOptions {
  objects: ObjectSource;
  live: LiveObjects;
  authorizer: Authorizer & RuleResolver;
  /** @default systemClock */
  clock?: Clock;
  /** Absent where no webhooks can be reached. */
  webhooks?: { readonly mutating: AdmissionPlugin; readonly validating: AdmissionPlugin };
  /** `--enable-admission-plugins`. All plugins are on by default; naming one that upstream knows and this server has not is an error. */
  enable?: readonly string[];
  /** `--disable-admission-plugins` */
  disable?: readonly string[];
}

/** Protections that stand in the place of what upstream does outside of admission: they cannot be disabled. */
const permanent = new Set(['RbacEscalation', 'JoinToken']);

/** What upstream has and this server does not: disabling it changes nothing, enabling it cannot be granted. */
const absent = [
  'AlwaysAdmit',
  'AlwaysDeny',
  'AlwaysPullImages',
  'DefaultIngressClass',
  'DefaultStorageClass',
  'DenyServiceExternalIPs',
  'EventRateLimit',
  'ExtendedResourceToleration',
  'ImagePolicyWebhook',
  'LimitPodHardAntiAffinityTopology',
  'LimitRanger',
  'MutatingAdmissionPolicy',
  'NamespaceAutoProvision',
  'NamespaceExists',
  'OwnerReferencesPermissionEnforcement',
  'PersistentVolumeClaimResize',
  'PodNodeSelector',
  'PodSecurity',
  'PodTolerationRestriction',
  'PodTopologyLabels',
  'ResourceQuota',
  'RuntimeClass',
  'StorageObjectInUseProtection',
  'ValidatingAdmissionPolicy',
];

/**
 * The plugins in upstream's order, for `admitAll` and `validateAll`.
 * @throws {ConfigError} for a plugin that does not exist or cannot be disabled
 */
export function createAdmission(options: AdmissionOptions): { plugins: readonly AdmissionPlugin[] } {
  const { objects, live, authorizer, clock = systemClock, enable = [], disable = [], webhooks } = options;
  const all: AdmissionPlugin[] = [
    new NamespaceLifecycle({ objects, live }),
    new ServiceAccountAdmission({ objects, live, clock }),
    new NodeRestriction({ objects, live, authorizer }),
    taintNodesByCondition,
    new Priority({ objects, live }),
    defaultTolerationSeconds,
    new CertificateApproval({ authorizer }),
    new CertificateSigning({ authorizer }),
    new ClusterTrustBundleAttest({ authorizer }),
    certificateSubjectRestriction,
    new RbacEscalation({ authorizer }),
    ...(webhooks ? [webhooks.mutating, webhooks.validating] : []),
    // Writes when it says yes, so it is asked last.
    new JoinToken({ live }),
  ];
  const known = all.map(({ name }) => name);
  checkNames('--enable-admission-plugins', enable, known);
  checkNames('--disable-admission-plugins', disable, [...known, ...absent]);
  for (const name of disable) {
    if (permanent.has(name)) throw new ConfigError(`--disable-admission-plugins: ${name} cannot be disabled`);
    if (enable.includes(name)) {
      throw new ConfigError(`--disable-admission-plugins: ${name} is also in --enable-admission-plugins`);
    }
  }
  return { plugins: all.filter(({ name }) => !disable.includes(name)) };
}

function checkNames(flag: string, names: readonly string[], known: readonly string[]): void {
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new ConfigError(`${flag}: "${unknown}" is no admission plugin of this server, which has ${known.join(', ')}`);
  }
}
