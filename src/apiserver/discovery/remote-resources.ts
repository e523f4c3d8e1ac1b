import { textAt } from '../../api/json-object.ts';
import type { GroupVersionKind, JsonObject } from '../../api/object.ts';

/** The resources of an `APIResourceList` as the aggregated document has them, subresources below their resource. */
export function remoteResources(
  list: readonly JsonObject[],
  { group, version }: { group: string; version: string },
): JsonObject[] {
  const around = { group, version };
  const resources = list.filter((entry) => !textAt(entry, 'name').includes('/'));
  return resources.map((entry) => {
    const { shortNames, categories } = entry;
    const name = textAt(entry, 'name');
    const below = list.filter((candidate) => textAt(candidate, 'name').startsWith(`${name}/`));
    return {
      resource: name,
      responseKind: responseKind(entry, around),
      scope: entry['namespaced'] === true ? 'Namespaced' : 'Cluster',
      singularResource: textAt(entry, 'singularName'),
      verbs: entry['verbs'] ?? [],
      ...(Array.isArray(shortNames) && shortNames.length > 0 && { shortNames }),
      ...(Array.isArray(categories) && categories.length > 0 && { categories }),
      ...(below.length > 0 && {
        subresources: below.map((candidate) => ({
          subresource: textAt(candidate, 'name').slice(name.length + 1),
          responseKind: responseKind(candidate, around),
          verbs: candidate['verbs'] ?? [],
        })),
      }),
    };
  });
}

/** Group and version are left empty where they are those of the resource. */
function responseKind(entry: JsonObject, around: { group: string; version: string }): GroupVersionKind & JsonObject {
  const group = textAt(entry, 'group') || around.group;
  const version = textAt(entry, 'version') || around.version;
  const same = group === around.group && version === around.version;
  return { group: same ? '' : group, version: same ? '' : version, kind: textAt(entry, 'kind') };
}
