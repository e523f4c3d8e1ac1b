import { ensureBootstrapPolicy, type RbacObject } from '../../auth/authorization/bootstrap-policy.ts';
import { ensureLocalApiServices } from '../aggregation/local-api-services.ts';
import type { ApiServerConfig } from '../config.ts';
import type { InternalObjects } from '../internal-objects.ts';
import { ensureAuthenticationConfigMap } from './authentication-config-map.ts';
import type { KubernetesService } from './kubernetes-service.ts';
import { ensurePriorityClasses } from './priority-classes.ts';
import { ensureSystemNamespaces } from './system-namespaces.ts';

export interface ClusterObjectsOptions {
  readonly config: ApiServerConfig;
  readonly kubernetesService: KubernetesService;
  /** Each hook's name, once it has finished: readiness waits for all of them. */
  readonly finished: (hook: BootstrapHook) => void;
}

/** Named as upstream's health checks name them. */
export const bootstrapHooks = [
  'start-system-namespaces-controller',
  'bootstrap-controller',
  'rbac/bootstrap-roles',
  'scheduling/bootstrap-system-priority-classes',
  'start-cluster-authentication-info-controller',
  'kube-apiserver-autoregistration',
] as const;

export type BootstrapHook = (typeof bootstrapHooks)[number];

/** Makes what every cluster has. Writes nothing where it is all there. */
export async function ensureClusterObjects(objects: InternalObjects, options: ClusterObjectsOptions): Promise<void> {
  const { config, kubernetesService, finished } = options;
  await ensureSystemNamespaces(objects);
  finished('start-system-namespaces-controller');
  await Promise.all([
    kubernetesService.reconcile().then(() => finished('bootstrap-controller')),
    ensurePolicy(objects).then(() => finished('rbac/bootstrap-roles')),
    ensurePriorityClasses(objects).then(() => finished('scheduling/bootstrap-system-priority-classes')),
    ensureLocalApiServices(objects).then(() => finished('kube-apiserver-autoregistration')),
    ensureAuthenticationConfigMap(objects, config).then(() => finished('start-cluster-authentication-info-controller')),
  ]);
}

async function ensurePolicy(objects: InternalObjects): Promise<void> {
  await ensureBootstrapPolicy({
    get: (resource, key) => objects.get<RbacObject>(resource, key),
    create: (resource, object) => objects.ensureCreated(resource, object),
    update: async (resource, object) => {
      await objects.update(resource, object);
    },
    delete: (resource, key) => objects.delete(resource, key),
  });
}
