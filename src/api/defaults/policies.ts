import { ensureObject, objectAt, objectsAt, setDefault } from '../json-object.ts';
import type { JsonObject } from '../object.ts';

const rbacGroup = 'rbac.authorization.k8s.io';

/** Defaults of everything that is neither core nor a workload, by `Kind.group`. */
export const policyDefaults: Readonly<Record<string, (object: JsonObject) => void>> = {
  [`RoleBinding.${rbacGroup}`]: defaultBinding,
  [`ClusterRoleBinding.${rbacGroup}`]: defaultBinding,
  'NetworkPolicy.networking.k8s.io'(object) {
    const spec = ensureObject(object, 'spec');
    if (spec['policyTypes'] === undefined) {
      spec['policyTypes'] = objectsAt(spec, 'egress').length > 0 ? ['Ingress', 'Egress'] : ['Ingress'];
    }
    for (const rule of [...objectsAt(spec, 'ingress'), ...objectsAt(spec, 'egress')]) {
      for (const port of objectsAt(rule, 'ports')) setDefault(port, 'protocol', 'TCP');
    }
  },
  'IngressClass.networking.k8s.io'(object) {
    const parameters = objectAt(objectAt(object, 'spec'), 'parameters');
    if (parameters !== undefined) setDefault(parameters, 'scope', 'Cluster');
  },
  'EndpointSlice.discovery.k8s.io'(object) {
    for (const port of objectsAt(object, 'ports')) {
      setDefault(port, 'name', '');
      setDefault(port, 'protocol', 'TCP');
    }
  },
  'PriorityClass.scheduling.k8s.io'(object) {
    setDefault(object, 'preemptionPolicy', 'PreemptLowerPriority');
  },
  'StorageClass.storage.k8s.io'(object) {
    setDefault(object, 'reclaimPolicy', 'Delete');
    setDefault(object, 'volumeBindingMode', 'Immediate');
  },
  'CSIDriver.storage.k8s.io'(object) {
    const spec = ensureObject(object, 'spec');
    setDefault(spec, 'attachRequired', true);
    setDefault(spec, 'podInfoOnMount', false);
    setDefault(spec, 'storageCapacity', false);
    setDefault(spec, 'fsGroupPolicy', 'ReadWriteOnceWithFSType');
    setDefault(spec, 'requiresRepublish', false);
    setDefault(spec, 'seLinuxMount', false);
    if (spec['volumeLifecycleModes'] === undefined) spec['volumeLifecycleModes'] = ['Persistent'];
  },
  'TokenRequest.authentication.k8s.io'(object) {
    setDefault(ensureObject(object, 'spec'), 'expirationSeconds', 3600);
  },
  'APIService.apiregistration.k8s.io'(object) {
    const service = objectAt(objectAt(object, 'spec'), 'service');
    if (service !== undefined) setDefault(service, 'port', 443);
  },
  'FlowSchema.flowcontrol.apiserver.k8s.io'(object) {
    const spec = ensureObject(object, 'spec');
    if (!spec['matchingPrecedence']) spec['matchingPrecedence'] = 1000;
  },
  'PriorityLevelConfiguration.flowcontrol.apiserver.k8s.io'(object) {
    const spec = ensureObject(object, 'spec');
    const exempt = spec['type'] === 'Exempt' ? ensureObject(spec, 'exempt') : undefined;
    if (exempt !== undefined) {
      setDefault(exempt, 'nominalConcurrencyShares', 0);
      setDefault(exempt, 'lendablePercent', 0);
    }
    const limited = objectAt(spec, 'limited');
    if (limited === undefined) return;
    setDefault(limited, 'nominalConcurrencyShares', 30);
    setDefault(limited, 'lendablePercent', 0);
    const queuing = objectAt(objectAt(limited, 'limitResponse'), 'queuing');
    if (queuing === undefined) return;
    for (const [key, value] of Object.entries({ queues: 64, handSize: 8, queueLengthLimit: 50 })) {
      if (!queuing[key]) queuing[key] = value;
    }
  },
};

function defaultBinding(object: JsonObject): void {
  setDefault(ensureObject(object, 'roleRef'), 'apiGroup', rbacGroup);
  for (const subject of objectsAt(object, 'subjects')) {
    if (subject['kind'] === 'User' || subject['kind'] === 'Group') setDefault(subject, 'apiGroup', rbacGroup);
  }
}
