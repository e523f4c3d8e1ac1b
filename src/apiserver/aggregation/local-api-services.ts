import type { APIService } from '../../api/kubernetes/apiregistration-v1.ts';
import { scheme } from '../../api/scheme.ts';
import type { InternalObjects } from '../internal-objects.ts';
import { apiServiceName, apiServicesResource } from './api-service-names.ts';
import { localPriority } from './local-priorities.ts';

const managedLabel = 'kube-aggregator.kubernetes.io/automanaged';

/** Registers what this server itself serves, as upstream: at each start, and no more until the next. */
export async function ensureLocalApiServices(objects: InternalObjects): Promise<void> {
  const groups = scheme.groups.filter(({ name }) => name !== 'apiregistration.k8s.io'); // which registers, as upstream, not itself
  const groupVersions = groups.flatMap(({ name: group, versions }) =>
    versions.map(({ version }) => ({ group, version })),
  );
  await Promise.all(
    groupVersions.map(async ({ group, version }) => {
      const name = apiServiceName(group, version);
      if (await objects.get<APIService>(apiServicesResource, { namespace: '', name })) return;
      await objects.ensureCreated<APIService>(apiServicesResource, {
        apiVersion: 'apiregistration.k8s.io/v1',
        kind: 'APIService',
        metadata: { name, labels: { [managedLabel]: 'onstart' } },
        spec: { ...(group !== '' && { group }), version, ...localPriority(group, version) },
      });
    }),
  );
}
