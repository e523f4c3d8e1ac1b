import { ApiError } from '../api/errors.ts';
import type { Namespace, NamespaceCondition } from '../api/kubernetes/core-v1.ts';
import type { KubeObject } from '../api/object.ts';
import type { ApiClient } from '../client/client.ts';
import { namespaces } from '../client/resources.ts';
import { formatTime } from '../lib/clock.ts';
import { withCondition } from './conditions.ts';
import type { ControllerContext } from './controller.ts';
import { type DiscoveredResource, discoverResources } from './discovery.ts';
import { ReconcileLoop, type Requeue } from './reconcile-loop.ts';

/** While something is left, look again at first after this time, then ever later. */
const firstRetryMs = 100;
const maxRetryMs = 15_000;

/** Empties a namespace that is being deleted and then takes the finalizer `kubernetes` off it. */
export function startNamespaceController(context: ControllerContext): AsyncDisposable {
  const { client, informers, clock } = context;
  const informer = informers.get<Namespace>(namespaces);
  const attempts = new Map<string, number>();
  const loop = new ReconcileLoop({
    ...context,
    after: [informer],
    reconcile: async (name, signal): Promise<Requeue | undefined> => {
      const namespace = informer.get(name);
      if (!namespace?.metadata?.deletionTimestamp || !namespace.spec?.finalizers?.includes('kubernetes')) {
        attempts.delete(name);
        return undefined;
      }
      if (namespace.status?.phase !== 'Terminating') {
        const status = { ...namespace.status, phase: 'Terminating' };
        await client.update<Namespace>(namespaces, { ...namespace, status }, { subresource: 'status', signal });
        return { afterMs: 1 };
      }
      const resources = await discoverResources(client, signal);
      const left = await emptyNamespace(client, { namespace: name, resources, signal });
      if (left.remaining.size === 0 && left.errors.length === 0) {
        const spec = { finalizers: namespace.spec.finalizers.filter((finalizer) => finalizer !== 'kubernetes') };
        await client.update<Namespace>(namespaces, { ...namespace, spec }, { subresource: 'finalize', signal });
        return undefined;
      }
      const conditions = deletionConditions(namespace.status.conditions, left, formatTime(clock.now()));
      if (conditions !== namespace.status.conditions) {
        const status = { ...namespace.status, conditions };
        await client.update<Namespace>(namespaces, { ...namespace, status }, { subresource: 'status', signal });
      }
      const attempt = (attempts.get(name) ?? 0) + 1;
      attempts.set(name, attempt);
      return { afterMs: Math.min(maxRetryMs, firstRetryMs * 2 ** (attempt - 1)) };
    },
  });
  informer.subscribe(({ object }) => loop.add(object.metadata?.name ?? ''));
  return loop;
}

export interface Remainder {
  /** What is still there: count by `pods` or `deployments.apps`. */
  readonly remaining: ReadonlyMap<string, number>;
  /** Finalizers that keep it, with how many objects wait for each. */
  readonly finalizers: ReadonlyMap<string, number>;
  readonly errors: readonly string[];
}

interface EmptyOptions {
  readonly namespace: string;
  readonly resources: readonly DiscoveredResource[];
  readonly signal: AbortSignal;
}

/** Asks for the deletion of everything in the namespace and tells what is still there. */
export async function emptyNamespace(
  client: ApiClient,
  { namespace, resources, signal }: EmptyOptions,
): Promise<Remainder> {
  const remaining = new Map<string, number>();
  const finalizers = new Map<string, number>();
  const errors: string[] = [];
  const deletable = resources.filter(
    ({ namespaced, verbs }) => namespaced && verbs.includes('list') && verbs.includes('delete'),
  );
  for (const resource of deletable) {
    const name = resource.group === '' ? resource.resource : `${resource.resource}.${resource.group}`;
    try {
      const { items } = await client.list<KubeObject>(resource, { namespace, metadataOnly: true, signal });
      if (items.length === 0) continue;
      if (resource.verbs.includes('deletecollection')) {
        await client.deleteCollection(resource, { namespace, propagationPolicy: 'Background', signal });
      } else await deleteEach(client, resource, items, signal);
      const left = (await client.list<KubeObject>(resource, { namespace, metadataOnly: true, signal })).items;
      if (left.length > 0) remaining.set(name, left.length);
      for (const { metadata } of left) {
        for (const finalizer of metadata?.finalizers ?? [])
          finalizers.set(finalizer, (finalizers.get(finalizer) ?? 0) + 1);
      }
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ApiError) || error.code !== 404) errors.push(`${name}: ${String(error)}`);
    }
  }
  return { remaining, finalizers, errors };
}

async function deleteEach(
  client: ApiClient,
  resource: DiscoveredResource,
  items: readonly KubeObject[],
  signal: AbortSignal,
): Promise<void> {
  for (const { metadata } of items) {
    const ref = { namespace: metadata?.namespace ?? '', name: metadata?.name ?? '' };
    await client.delete(resource, ref, { propagationPolicy: 'Background', signal });
  }
}

/** Types, reasons and messages as upstream writes them. */
export function deletionConditions(
  present: readonly NamespaceCondition[] | undefined,
  { remaining, finalizers, errors }: Remainder,
  now: string,
): NamespaceCondition[] {
  const list = (counts: ReadonlyMap<string, number>, text: (name: string, count: number) => string) =>
    [...counts]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, count]) => text(name, count))
      .join(', ');
  const contents = list(remaining, (name, count) => `${name} has ${count} resource instances`);
  const waiting = list(finalizers, (name, count) => `${name} in ${count} resource instances`);
  const rows: readonly (readonly [type: string, holds: boolean, reason: string, message: string])[] = [
    ['NamespaceDeletionDiscoveryFailure', false, 'ResourcesDiscovered', 'All resources successfully discovered'],
    [
      'NamespaceDeletionGroupVersionParsingFailure',
      false,
      'ParsedGroupVersions',
      'All legacy kube types successfully parsed',
    ],
    errors.length > 0
      ? [
          'NamespaceDeletionContentFailure',
          true,
          'ContentDeletionFailed',
          `Failed to delete all resource types, ${errors.length} remaining: ${errors.join(', ')}`,
        ]
      : [
          'NamespaceDeletionContentFailure',
          false,
          'ContentDeleted',
          'All content successfully deleted, may be waiting on finalization',
        ],
    remaining.size > 0
      ? ['NamespaceContentRemaining', true, 'SomeResourcesRemain', `Some resources are remaining: ${contents}`]
      : ['NamespaceContentRemaining', false, 'ContentRemoved', 'All content successfully removed'],
    finalizers.size > 0
      ? [
          'NamespaceFinalizersRemaining',
          true,
          'SomeFinalizersRemain',
          `Some content in the namespace has finalizers remaining: ${waiting}`,
        ]
      : ['NamespaceFinalizersRemaining', false, 'ContentHasNoFinalizers', 'All content-preserving finalizers finished'],
  ];
  let conditions = present as NamespaceCondition[] | undefined; // withCondition copies before it changes
  for (const [type, holds, reason, message] of rows) {
    conditions = withCondition(conditions, {
      type,
      status: holds ? 'True' : 'False',
      reason,
      message,
      lastTransitionTime: now,
    });
  }
  return conditions ?? [];
}
