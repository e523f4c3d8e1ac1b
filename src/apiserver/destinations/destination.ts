import type { ObjectSource } from '../../auth/object-source.ts';
import type { AddressRules } from './address-rules.ts';

/** Where a request to a node, a pod or a Service goes: decided once, on the literal that is dialled. */
export interface Destination {
  /** An IP address, never a name. */
  readonly host: string;
  readonly port: number;
  /** The node that it is on: the dial takes that node's route. */
  readonly node: string;
  /** The pod behind the address; `undefined` for the node itself. */
  readonly pod: DestinationPod | undefined;
  /** The port's `appProtocol`, for example `https` or `kubernetes.io/h2c`. */
  readonly protocolHint: string | undefined;
}

export interface DestinationPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface DestinationOptions extends AddressRules {
  readonly objects: ObjectSource;
  /** Between 0 and 1, for choosing among backends. @default Math.random */
  readonly random?: () => number;
}
