import type { OwnerReference } from '../../api/kubernetes/meta-v1.ts';
import type { KubeObject } from '../../api/object.ts';
import type { DiscoveredResource } from '../discovery.ts';

/** One object as the garbage collector knows it. Only what has owners, is an owner or waits for dependents is kept. */
export interface GraphNode {
  readonly uid: string;
  readonly resource: DiscoveredResource;
  readonly namespace: string | undefined;
  readonly name: string;
  owners: readonly OwnerReference[];
  deleting: boolean;
  finalizers: readonly string[];
}

/** Who owns whom, by uid, over all resources. */
export class OwnerGraph {
  readonly #nodes = new Map<string, GraphNode>();
  readonly #dependents = new Map<string, Set<string>>();

  get(uid: string): GraphNode | undefined {
    return this.#nodes.get(uid);
  }

  /** Those that name the uid as an owner. */
  dependentsOf(uid: string): GraphNode[] {
    return [...(this.#dependents.get(uid) ?? [])].flatMap((dependent) => this.#nodes.get(dependent) ?? []);
  }

  /** Puts the object as it is now, and gives its node. */
  put(resource: DiscoveredResource, { metadata }: KubeObject): GraphNode {
    const uid = metadata?.uid ?? '';
    this.#unlink(uid);
    const node: GraphNode = {
      uid,
      resource,
      namespace: metadata?.namespace,
      name: metadata?.name ?? '',
      owners: metadata?.ownerReferences ?? [],
      deleting: metadata?.deletionTimestamp !== undefined,
      finalizers: metadata?.finalizers ?? [],
    };
    this.#nodes.set(uid, node);
    for (const owner of node.owners) {
      const known = this.#dependents.get(owner.uid);
      if (known) known.add(uid);
      else this.#dependents.set(owner.uid, new Set([uid]));
    }
    return node;
  }

  delete(uid: string): GraphNode | undefined {
    const node = this.#nodes.get(uid);
    this.#unlink(uid);
    this.#nodes.delete(uid);
    return node;
  }

  #unlink(uid: string): void {
    for (const owner of this.#nodes.get(uid)?.owners ?? []) {
      const known = this.#dependents.get(owner.uid);
      known?.delete(uid);
      if (known?.size === 0) this.#dependents.delete(owner.uid);
    }
  }
}
