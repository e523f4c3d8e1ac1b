import type { ResourceInfo } from '../api/resource-info.ts';
import type { ObjectSource } from '../auth/object-source.ts';
import type { Clock } from '../lib/clock.ts';
import type { Metrics } from '../lib/metrics.ts';
import { ServiceAllocator } from './allocators/service-allocator.ts';
import type { ApiServerConfig } from './config.ts';
import { genericTraits } from './generic-traits.ts';
import { apiServiceStrategy } from './resources/api-services.ts';
import { certificateSigningRequestStrategy } from './resources/certificate-signing-requests.ts';
import { configMapStrategy } from './resources/config-maps.ts';
import { endpointSliceStrategy, endpointsStrategy } from './resources/endpoints.ts';
import { eventStrategy } from './resources/events.ts';
import { cronJobStrategy, jobStrategy } from './resources/jobs.ts';
import { leaseStrategy } from './resources/leases.ts';
import { namespaceStrategy } from './resources/namespaces.ts';
import { nodeStrategy } from './resources/nodes.ts';
import { podStrategy } from './resources/pods.ts';
import { priorityClassStrategy } from './resources/priority-classes.ts';
import {
  clusterRoleBindingStrategy,
  clusterRoleStrategy,
  roleBindingStrategy,
  roleStrategy,
} from './resources/rbac.ts';
import { secretStrategy } from './resources/secrets.ts';
import { serviceStrategy } from './resources/services.ts';
import { persistentVolumeClaimStrategy, persistentVolumeStrategy } from './resources/volumes.ts';
import { webhookConfigurationStrategy } from './resources/webhook-configurations.ts';
import {
  daemonSetStrategy,
  deploymentStrategy,
  replicaSetStrategy,
  replicationControllerStrategy,
  statefulSetStrategy,
} from './resources/workloads.ts';
import type { Strategy } from './strategy.ts';

/** What strategies with an allocator, or with a look at other objects, are made from. */
export interface StrategyDependencies {
  readonly config: ApiServerConfig;
  readonly objects: ObjectSource;
  readonly clock: Clock;
  /** @default nothing is counted */
  readonly metrics?: Metrics;
}

/** The strategies of all resources, by `deployments.apps`. What has none of its own has the traits alone. */
export function createStrategies(dependencies: StrategyDependencies): (resource: ResourceInfo) => Strategy {
  const { config, objects, metrics } = dependencies;
  const allocator = new ServiceAllocator({
    clusterIpRange: config.serviceClusterIpRange ?? '10.96.0.0/12',
    nodePortRange: config.serviceNodePortRange ?? { first: 30_000, last: 32_767 },
    objects,
    ...(metrics && { metrics }),
  });
  const own: Readonly<Record<string, Strategy>> = {
    configmaps: configMapStrategy,
    endpoints: endpointsStrategy,
    events: eventStrategy,
    namespaces: namespaceStrategy,
    nodes: nodeStrategy,
    persistentvolumeclaims: persistentVolumeClaimStrategy,
    persistentvolumes: persistentVolumeStrategy,
    pods: podStrategy,
    replicationcontrollers: replicationControllerStrategy,
    secrets: secretStrategy,
    services: serviceStrategy(allocator),
    'mutatingwebhookconfigurations.admissionregistration.k8s.io': webhookConfigurationStrategy,
    'validatingwebhookconfigurations.admissionregistration.k8s.io': webhookConfigurationStrategy,
    'apiservices.apiregistration.k8s.io': apiServiceStrategy,
    'daemonsets.apps': daemonSetStrategy,
    'deployments.apps': deploymentStrategy,
    'replicasets.apps': replicaSetStrategy,
    'statefulsets.apps': statefulSetStrategy,
    'cronjobs.batch': cronJobStrategy,
    'jobs.batch': jobStrategy,
    'certificatesigningrequests.certificates.k8s.io': certificateSigningRequestStrategy,
    'leases.coordination.k8s.io': leaseStrategy,
    'endpointslices.discovery.k8s.io': endpointSliceStrategy,
    'clusterrolebindings.rbac.authorization.k8s.io': clusterRoleBindingStrategy,
    'clusterroles.rbac.authorization.k8s.io': clusterRoleStrategy,
    'rolebindings.rbac.authorization.k8s.io': roleBindingStrategy,
    'roles.rbac.authorization.k8s.io': roleStrategy,
    'priorityclasses.scheduling.k8s.io': priorityClassStrategy,
  };
  const known = new Map<string, Strategy>();
  return ({ group, resource }) => {
    const key = group === '' ? resource : `${resource}.${group}`;
    let strategy = known.get(key);
    if (!strategy) {
      strategy = { ...genericTraits(key), ...own[key] };
      known.set(key, strategy);
    }
    return strategy;
  };
}
