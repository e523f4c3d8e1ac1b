import type { Pod } from '../../api/kubernetes/core-v1.ts';
import type { ApiClient } from '../../client/client.ts';
import type { EventText } from '../../client/event-recorder.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { PodNetwork } from '../pod-network.ts';
import type { ProbeKind } from '../probes/container-probes.ts';
import type { Runtime } from '../runtimes/runtime.ts';
import type { PodResources } from './pod-resources.ts';

/** What the pod workers of one node share. */
export interface PodServices {
  readonly client: Pick<ApiClient, 'patch' | 'delete'>;
  readonly nodeName: string;
  readonly hostIp: string;
  /** Where pods have their directories and logs. */
  readonly dataDirectory: string;
  readonly network: PodNetwork;
  /** The cluster's resolvers. @default none: pods get the node's own */
  readonly clusterDns?: readonly string[];
  readonly resources: PodResources;
  readonly apiServer: { readonly host: string; readonly port: number } | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  runtimeFor(pod: Pod): Runtime;
  record(pod: Pod, event: EventText): void;
  probed(pod: Pod, container: string, kind: ProbeKind, success: boolean): void;
}
