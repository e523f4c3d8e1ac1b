import type { ControllerRevision } from '../api/kubernetes/apps-v1.ts';
import type { Pod, PodTemplateSpec } from '../api/kubernetes/core-v1.ts';
import type { KubeObject } from '../api/object.ts';
import type { ApiClient } from '../client/client.ts';
import type { Informer } from '../client/informer.ts';
import { type BuiltInResource, controllerRevisions } from '../client/resources.ts';
import { revisionHashLabel } from './daemon-pods.ts';
import { templateHash } from './deployment/template-hash.ts';
import { controllerReference, controllerUids } from './owner-references.ts';

const byController = 'controller';

interface RevisionOptions {
  readonly client: ApiClient;
  readonly revisions: Informer<ControllerRevision>;
  readonly owner: KubeObject;
  readonly resource: BuiltInResource;
  readonly template: PodTemplateSpec | undefined;
  readonly limit: number;
  /** Revisions of these pods are kept. */
  readonly live: readonly Pod[];
  readonly signal: AbortSignal;
}

/** Makes sure that the present template is the newest revision of the owner's history, and gives its hash. Old revisions beyond the limit go. */
export async function syncRevision(options: RevisionOptions): Promise<string> {
  const { client, revisions, owner, resource, template, limit, live, signal } = options;
  revisions.addIndex(byController, controllerUids);
  const { name = '', namespace = '', uid = '' } = owner.metadata ?? {};
  const hash = templateHash(template);
  const history = revisions.byIndex(byController, uid).toSorted((a, b) => a.revision - b.revision);
  const newest = history.at(-1)?.revision ?? 0;
  const present = history.find(({ metadata }) => metadata?.labels?.[revisionHashLabel] === hash);
  if (!present) {
    const revision: ControllerRevision = {
      metadata: {
        name: `${name}-${hash}`,
        namespace,
        labels: { ...template?.metadata?.labels, [revisionHashLabel]: hash },
        ownerReferences: [controllerReference(resource, owner)],
      },
      data: { spec: { template: { ...template, $patch: 'replace' } } },
      revision: newest + 1,
    };
    await client.create<ControllerRevision>(controllerRevisions, revision, { signal });
  } else if (present.revision !== newest) {
    await client.update<ControllerRevision>(controllerRevisions, { ...present, revision: newest + 1 }, { signal });
  }
  const used = new Set([hash, ...live.map(({ metadata }) => metadata?.labels?.[revisionHashLabel])]);
  const idle = history.filter(({ metadata }) => !used.has(metadata?.labels?.[revisionHashLabel]));
  for (const { metadata } of idle.slice(0, Math.max(0, idle.length - limit))) {
    await client.delete(controllerRevisions, { namespace, name: metadata?.name ?? '' }, { signal });
  }
  return hash;
}
