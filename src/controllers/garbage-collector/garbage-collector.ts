import { ApiError } from '../../api/errors.ts';
import type { OwnerReference } from '../../api/kubernetes/meta-v1.ts';
import { type KubeObject, parseApiVersion } from '../../api/object.ts';
import type { ObjectRef } from '../../client/client.ts';
import type { Informer } from '../../client/informer.ts';
import type { ControllerContext } from '../controller.ts';
import { type DiscoveredResource, discoverResources } from '../discovery.ts';
import { ReconcileLoop } from '../reconcile-loop.ts';
import { type GraphNode, OwnerGraph } from './owner-graph.ts';

const foreground = 'foregroundDeletion';
const orphan = 'orphan';
/** New resources appear rarely; this is two small requests. */
const discoveryIntervalMs = 300_000;
/** Owners lately found absent, so that many dependents of one owner ask once. */
const maxAbsent = 500;
/** Kept by the API server, never owned, or too short-lived to matter. */
const ignored: ReadonlySet<string> = new Set(['events.', 'events.events.k8s.io']);

/**
 * Deletes objects whose owners are all gone, deletes dependents before an owner that is deleted in the foreground, and lets dependents of an
 * orphaning owner go. Watches the metadata of everything that can be deleted; whether an owner is really absent is asked live.
 */
export function startGarbageCollector(context: ControllerContext): AsyncDisposable {
  const { client, informers, log } = context;
  const graph = new OwnerGraph();
  const resources = new Map<string, DiscoveredResource>();
  const watched = new Map<string, Informer<KubeObject>>();
  const absent = new Set<string>();
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let markComplete = () => {};
  const complete = new Promise<void>((resolve, reject) => {
    markComplete = resolve;
    controller.signal.addEventListener('abort', () => reject(new Error('The garbage collector was stopped')));
  });
  complete.catch(() => {}); // The loop awaits it.

  const loop = new ReconcileLoop({
    ...context,
    after: [{ synced: complete }],
    concurrency: 8,
    reconcile: async (uid, signal) => {
      const node = graph.get(uid);
      if (!node) return undefined;
      if (node.deleting && node.finalizers.includes(orphan)) await orphanDependents(node, signal);
      else if (node.deleting && node.finalizers.includes(foreground)) await deleteDependentsFirst(node, signal);
      else if (!node.deleting && node.owners.length > 0) await deleteIfOwnerless(node, signal);
      return undefined;
    },
  });

  async function discover(): Promise<void> {
    try {
      const found = await discoverResources(client, controller.signal);
      const started: Promise<void>[] = [];
      for (const resource of found) {
        const key = `${resource.resource}.${resource.group}`;
        resources.set(key, resource);
        const isUseful =
          ['list', 'watch', 'delete'].every((verb) => resource.verbs.includes(verb)) && !ignored.has(key);
        if (!isUseful || watched.has(key)) continue;
        const informer = informers.metadata(resource);
        watched.set(key, informer);
        informer.subscribe(({ type, object }) => onChange(resource, type, object));
        started.push(informer.synced);
      }
      for (const [key, informer] of watched) {
        if (found.some(({ resource, group }) => `${resource}.${group}` === key)) continue;
        watched.delete(key);
        resources.delete(key);
        await informers.end(informer.resource);
      }
      await Promise.all(started);
      markComplete();
    } catch (error) {
      if (controller.signal.aborted) return;
      log.warn('Cannot discover resources', { error });
      schedule(1_000);
      return;
    }
    schedule(discoveryIntervalMs);
  }

  let discovering: Promise<void> = Promise.resolve();
  function schedule(ms: number): void {
    if (controller.signal.aborted) return;
    timer = setTimeout(() => {
      discovering = discover();
    }, ms);
    timer.unref();
  }

  function onChange(resource: DiscoveredResource, type: 'added' | 'updated' | 'deleted', object: KubeObject): void {
    const uid = object.metadata?.uid ?? '';
    if (type === 'deleted') {
      const node = graph.delete(uid);
      for (const dependent of graph.dependentsOf(uid)) loop.add(dependent.uid);
      for (const owner of node?.owners ?? [])
        if (graph.get(owner.uid)?.finalizers.includes(foreground)) loop.add(owner.uid);
      return;
    }
    const node = graph.put(resource, object);
    const waits = node.deleting && (node.finalizers.includes(foreground) || node.finalizers.includes(orphan));
    if (node.owners.length > 0 || waits) loop.add(uid);
  }

  /** Whether the owner exists; where the graph does not know it, the API server is asked. */
  async function isPresent(owner: OwnerReference, dependent: GraphNode, signal: AbortSignal): Promise<boolean> {
    const known = graph.get(owner.uid);
    if (known) return known.namespace === undefined || known.namespace === dependent.namespace;
    if (absent.has(owner.uid)) return false;
    const group = parseApiVersion(owner.apiVersion)?.group ?? '';
    const resource = [...resources.values()].find((one) => one.group === group && one.kind === owner.kind);
    if (!resource) throw new Error(`Owner kind ${owner.apiVersion} ${owner.kind} is not served`); // Never delete on a guess.
    const ref = resource.namespaced ? { namespace: dependent.namespace ?? '', name: owner.name } : { name: owner.name };
    if (resource.namespaced && dependent.namespace === undefined)
      throw new Error(`Owner ${owner.name} cannot be namespaced`);
    const found = await readMetadata(resource, ref, signal);
    if (found?.metadata?.uid === owner.uid) return true;
    absent.add(owner.uid);
    for (const oldest of absent) if (absent.size > maxAbsent) absent.delete(oldest);
    return false;
  }

  async function readMetadata(
    resource: DiscoveredResource,
    ref: ObjectRef,
    signal: AbortSignal,
  ): Promise<KubeObject | undefined> {
    try {
      return await client.get<KubeObject>(resource, ref, { metadataOnly: true, signal });
    } catch (error) {
      if (error instanceof ApiError && error.reason === 'NotFound') return undefined;
      throw error;
    }
  }

  async function deleteIfOwnerless(node: GraphNode, signal: AbortSignal): Promise<void> {
    const solid: OwnerReference[] = [];
    const gone: OwnerReference[] = [];
    const waiting: OwnerReference[] = [];
    for (const owner of node.owners) {
      if (!(await isPresent(owner, node, signal))) gone.push(owner);
      else if (isWaiting(graph.get(owner.uid))) waiting.push(owner);
      else solid.push(owner);
    }
    if (gone.length + waiting.length === 0) return;
    if (solid.length > 0) {
      const drop = new Set([...gone, ...waiting].map(({ uid }) => uid));
      await dropOwners(node, drop, signal);
      return;
    }
    const latest = await readMetadata(node.resource, refOf(node), signal);
    if (latest?.metadata?.uid !== node.uid) return;
    // The decision was made on these owners; another set deserves another look.
    if (latest.metadata.ownerReferences?.length !== node.owners.length) return;
    const hasOwnDependents = graph.dependentsOf(node.uid).length > 0;
    const propagationPolicy = latest.metadata.finalizers?.includes(orphan)
      ? 'Orphan'
      : latest.metadata.finalizers?.includes(foreground) || (waiting.length > 0 && hasOwnDependents)
        ? 'Foreground'
        : 'Background';
    const resourceVersion = latest.metadata.resourceVersion ?? '';
    await client.delete(node.resource, refOf(node), {
      propagationPolicy,
      preconditions: { uid: node.uid, resourceVersion },
      signal,
    });
  }

  async function deleteDependentsFirst(node: GraphNode, signal: AbortSignal): Promise<void> {
    const dependents = graph.dependentsOf(node.uid);
    for (const dependent of dependents) if (!dependent.deleting) loop.add(dependent.uid);
    const blocking = dependents.filter(({ owners }) =>
      owners.some(({ uid, blockOwnerDeletion }) => uid === node.uid && blockOwnerDeletion),
    );
    if (blocking.length === 0) await removeFinalizer(node, foreground, signal);
  }

  async function orphanDependents(node: GraphNode, signal: AbortSignal): Promise<void> {
    for (const dependent of graph.dependentsOf(node.uid)) await dropOwners(dependent, new Set([node.uid]), signal);
    await removeFinalizer(node, orphan, signal);
  }

  async function dropOwners(node: GraphNode, uids: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
    const latest = await readMetadata(node.resource, refOf(node), signal);
    if (latest?.metadata?.uid !== node.uid) return;
    const { uid, resourceVersion, ownerReferences = [] } = latest.metadata;
    const kept = ownerReferences.filter((owner) => !uids.has(owner.uid));
    if (kept.length === ownerReferences.length) return;
    await patchMetadata(node, { uid, resourceVersion, ownerReferences: kept.length > 0 ? kept : null }, signal);
  }

  async function removeFinalizer(node: GraphNode, finalizer: string, signal: AbortSignal): Promise<void> {
    const latest = await readMetadata(node.resource, refOf(node), signal);
    if (latest?.metadata?.uid !== node.uid) return;
    const { uid, resourceVersion, finalizers = [] } = latest.metadata;
    if (!finalizers.includes(finalizer)) return;
    await patchMetadata(
      node,
      { uid, resourceVersion, finalizers: finalizers.filter((one) => one !== finalizer) },
      signal,
    );
  }

  async function patchMetadata(node: GraphNode, metadata: object, signal: AbortSignal): Promise<void> {
    await client.patch(node.resource, refOf(node), { metadata }, { type: 'application/merge-patch+json', signal });
  }

  discovering = discover();
  return {
    async [Symbol.asyncDispose]() {
      controller.abort();
      clearTimeout(timer);
      await loop[Symbol.asyncDispose]();
      // Informers belong to the manager, which ends them next; discovery only waits for them.
      await Promise.race([discovering, new Promise((resolve) => setImmediate(resolve))]);
    },
  };
}

/** Being deleted in the foreground: its dependents go first. */
function isWaiting(owner: GraphNode | undefined): boolean {
  return owner?.deleting === true && owner.finalizers.includes(foreground);
}

function refOf({ namespace, name }: GraphNode): ObjectRef {
  return { ...(namespace !== undefined && { namespace }), name };
}
