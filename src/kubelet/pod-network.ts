/** How a pod of this node gets its address. Whoever gives a pod a network of its own implements this. */
export interface PodNetwork {
  /** The range that addresses come from, once it is known; the node's `spec.podCIDR` where a controller gave it one. */
  readonly cidr: string | undefined;
  /**
   * The address of a new sandbox; the same again for a pod that has one. `wanted` is the address that the pod had before the
   * agent was started again. @throws {Error} when there is none left
   */
  attach(podUid: string, options: { wanted?: string }): Promise<string>;
  /**
   * The file that stands for the network namespace of an attached pod, as `nsenter --net=` takes it; the same after a new start of
   * the agent. @default the pod shares the agent's network
   */
  namespaceOf?(podUid: string): string;
  /** Gives the address back. */
  detach(podUid: string): Promise<void>;
}
