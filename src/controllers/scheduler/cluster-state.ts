import type { Node, Pod } from '../../api/kubernetes/core-v1.ts';
import { NodeState } from './node-state.ts';

/** The nodes with their pods, those included that are only assumed to be there because their binding is under way. */
export class ClusterState {
  readonly #nodes = new Map<string, NodeState>();
  /** uid to node name, for every pod that has a node, known or not. */
  readonly #places = new Map<string, { node: string; pod: Pod; assumed: boolean }>();

  get nodes(): readonly NodeState[] {
    return [...this.#nodes.values()];
  }

  /** Gives whether pods that did not fit may fit now. A heartbeat is no such change. */
  changeNode(type: 'added' | 'updated' | 'deleted', node: Node, previous: Node | undefined): boolean {
    const name = node.metadata?.name ?? '';
    if (type === 'deleted') {
      this.#nodes.delete(name);
      return false;
    }
    const known = this.#nodes.get(name);
    if (!known) {
      const state = new NodeState(node);
      for (const place of this.#places.values()) if (place.node === name) state.addPod(place.pod);
      this.#nodes.set(name, state);
      return true;
    }
    known.update(node);
    return !previous || JSON.stringify(relevant(previous)) !== JSON.stringify(relevant(node));
  }

  /** A pod that is bound. Gives whether it was not known to be there. */
  setPod(pod: Pod, node: string): boolean {
    const uid = pod.metadata?.uid ?? '';
    const known = this.#places.get(uid);
    if (known && known.node !== node) this.#nodes.get(known.node)?.removePod(uid);
    this.#places.set(uid, { node, pod, assumed: false });
    this.#nodes.get(node)?.addPod(pod);
    return !known;
  }

  assumePod(pod: Pod, node: string): void {
    this.#places.set(pod.metadata?.uid ?? '', { node, pod, assumed: true });
    this.#nodes.get(node)?.addPod(pod);
  }

  isAssumed(uid: string): boolean {
    return this.#places.get(uid)?.assumed ?? false;
  }

  /** Gives whether it had a place. */
  removePod(uid: string): boolean {
    const known = this.#places.get(uid);
    if (!known) return false;
    this.#places.delete(uid);
    this.#nodes.get(known.node)?.removePod(uid);
    return true;
  }
}

function relevant({ metadata, spec, status }: Node) {
  return [metadata?.labels, spec?.taints, spec?.unschedulable, status?.allocatable];
}
