import { isDeepStrictEqual } from 'node:util';
import { ApiError } from '../../api/errors.ts';
import type { Node, NodeStatus } from '../../api/kubernetes/core-v1.ts';
import type { ApiClient } from '../../client/client.ts';
import { nodes } from '../../client/resources.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { buildNode, buildNodeStatus, type NodeFacts } from './node-object.ts';

const recomputeMs = 10_000;
const reportMs = 300_000;
const maxRetryMs = 7_000;

/** Registers the Node and keeps its status true: looked at every 10 s, written on change and at least every 5 min. */
export class NodeRegistration {
  readonly #client: ApiClient;
  readonly #options: { facts: () => NodeFacts; clock: Clock; log: Logger };
  #node: Node | undefined;
  #reportedMs = 0;
  #wake = () => {};

  constructor(client: ApiClient, options: { facts: () => NodeFacts; clock: Clock; log: Logger }) {
    this.#client = client;
    this.#options = options;
  }

  /** As the API server last answered it. */
  get node(): Node | undefined {
    return this.#node;
  }

  /** Creates the Node, or brings the labels and annotations of an existing one up to date. Tries until it is done. */
  async register(signal: AbortSignal): Promise<Node> {
    const { clock, log, facts } = this.#options;
    for (let retryMs = 100; ; retryMs = Math.min(maxRetryMs, retryMs * 2)) {
      try {
        this.#node = await this.#createOrAdopt(buildNode(facts(), clock.now()), signal);
        return this.#node;
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        log.warn('Cannot register the node', { error });
        await clock.delay(retryMs, { signal });
      }
    }
  }

  /** Writes the status until `signal` aborts. */
  async keep(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    while (!signal.aborted) {
      const woken = Promise.withResolvers<void>(); // also while a report is under way
      this.#wake = woken.resolve;
      await this.report({ signal }).catch((error: unknown) => {
        if (!signal.aborted) log.warn('Cannot report the node status', { error });
      });
      const waiting = new AbortController();
      const rested = clock.delay(recomputeMs, { signal: AbortSignal.any([signal, waiting.signal]) }).catch(() => {});
      await Promise.race([rested, woken.promise]);
      waiting.abort();
    }
  }

  /** Looks at the status now: something has changed. */
  wake(): void {
    this.#wake();
  }

  /** Writes the status if it has changed, if it is due, or if `force` says so. */
  async report({ force = false, signal }: { force?: boolean; signal: AbortSignal }): Promise<void> {
    const { clock, facts } = this.#options;
    const present = facts();
    const before = this.#node?.status;
    const status = buildNodeStatus(present, before?.conditions ?? [], clock.now());
    const due = clock.now() - this.#reportedMs >= reportMs;
    if (!force && !due && before && isDeepStrictEqual(withoutHeartbeats(status), withoutHeartbeats(before))) return;
    const body = { status };
    const type = 'application/strategic-merge-patch+json';
    this.#node = await this.#client.patch<Node>(nodes, { name: present.name, subresource: 'status' }, body, {
      type,
      signal,
    });
    this.#reportedMs = clock.now();
  }

  async #createOrAdopt(node: Node, signal: AbortSignal): Promise<Node> {
    try {
      return await this.#client.create(nodes, node, { signal });
    } catch (error) {
      if (!(error instanceof ApiError) || error.reason !== 'AlreadyExists') throw error;
    }
    const { labels = {}, annotations = {} } = node.metadata ?? {};
    const type = 'application/strategic-merge-patch+json';
    const name = node.metadata?.name ?? '';
    const { podCIDR, podCIDRs } = node.spec ?? {};
    const stored = podCIDR === undefined ? undefined : await this.#client.get<Node>(nodes, { name }, { signal });
    const recorded = stored?.spec?.podCIDR;
    if (recorded !== undefined && recorded !== podCIDR) {
      this.#options.log.warn(
        'The Node records another pod range, which cannot change: its pods are not reached through the API server until the Node is deleted and the agent started again',
        { recorded, actual: podCIDR },
      );
    }
    const range = stored && recorded === undefined ? { spec: { podCIDR, podCIDRs } } : {};
    return this.#client.patch<Node>(nodes, { name }, { metadata: { labels, annotations }, ...range }, { type, signal });
  }
}

/** What matters of a status for deciding whether it has changed: only fields that we write, without their times. */
function withoutHeartbeats({ addresses, capacity, daemonEndpoints, nodeInfo, conditions = [] }: NodeStatus): unknown {
  const ours = ['MemoryPressure', 'DiskPressure', 'PIDPressure', 'Ready'];
  return {
    addresses,
    capacity,
    daemonEndpoints,
    runtime: nodeInfo?.containerRuntimeVersion,
    conditions: conditions
      .filter((condition) => ours.includes(condition.type))
      .map(({ type, status, reason, message }) => [type, status, reason, message])
      .sort(),
  };
}
