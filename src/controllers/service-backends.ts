import type { Pod, Service } from '../api/kubernetes/core-v1.ts';
import type { Informer } from '../client/informer.ts';
import { keyOf } from '../client/object-index.ts';
import { pods, services } from '../client/resources.ts';
import type { ControllerContext } from './controller.ts';

const servicesByNamespace = 'namespace';
const podsWithAddress = 'namespace-with-address';

/** Services and pods as both endpoint controllers read them; tells which services a change concerns. */
export class ServiceBackends {
  readonly services: Informer<Service>;
  readonly pods: Informer<Pod>;

  constructor({ informers }: ControllerContext) {
    this.services = informers.get<Service>(services);
    this.pods = informers.get<Pod>(pods);
    this.services.addIndex(servicesByNamespace, ({ metadata }) => [metadata?.namespace ?? '']);
    this.pods.addIndex(podsWithAddress, ({ metadata, status }) => (status?.podIP ? [metadata?.namespace ?? ''] : []));
  }

  podsIn(namespace: string): Pod[] {
    return this.pods.byIndex(podsWithAddress, namespace);
  }

  /** Calls with the key of each service that may have to be looked at. */
  subscribe(enqueue: (key: string) => void): void {
    this.services.subscribe(({ object }) => enqueue(keyOf(object)));
    this.pods.subscribe((change) => {
      if (change.type === 'updated' && !concerns(change.object, change.previous)) return;
      for (const service of this.services.byIndex(servicesByNamespace, change.object.metadata?.namespace ?? '')) {
        if (selects(service, change.object) || (change.type === 'updated' && selects(service, change.previous)))
          enqueue(keyOf(service));
      }
    });
  }
}

function selects({ spec }: Service, { metadata }: Pod): boolean {
  const selector = Object.entries(spec?.selector ?? {});
  return selector.length > 0 && selector.every(([key, value]) => metadata?.labels?.[key] === value);
}

/** Whether anything changed that an endpoint shows. */
function concerns(pod: Pod, previous: Pod): boolean {
  const view = ({ metadata, spec, status }: Pod) => [
    metadata?.labels,
    metadata?.deletionTimestamp,
    spec?.nodeName,
    status?.phase,
    status?.podIPs ?? status?.podIP,
    status?.conditions?.find(({ type }) => type === 'Ready')?.status,
  ];
  return JSON.stringify(view(pod)) !== JSON.stringify(view(previous));
}
