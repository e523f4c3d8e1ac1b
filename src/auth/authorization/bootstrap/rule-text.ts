import type { PolicyRule } from '../../../api/kubernetes/rbac-v1.ts';

export const read = 'get list watch';
export const write = 'create delete deletecollection patch update';
export const readWrite = `${read} ${write}`;

export interface RuleText {
  /** Separated by blanks, as all lists here. */
  verbs: string;
  /** `core` stands for the group without a name. */
  groups: string;
  resources: string;
  names?: string;
}

/** One rule on resources, written shortly: `allow({ verbs: 'get list', groups: 'core', resources: 'pods pods/log' })`. */
export function allow({ verbs, groups, resources, names }: RuleText): PolicyRule {
  return {
    apiGroups: words(groups).map((group) => (group === 'core' ? '' : group)),
    ...(names !== undefined && { resourceNames: words(names) }),
    resources: words(resources),
    verbs: words(verbs),
  };
}

/** One rule on paths that are no resources. */
export function allowPaths(verbs: string, paths: string): PolicyRule {
  return { nonResourceURLs: words(paths), verbs: words(verbs) };
}

/** What nearly every component may do: report events. */
export const writeEvents: PolicyRule = allow({
  verbs: 'create patch update',
  groups: 'core events.k8s.io',
  resources: 'events',
});

function words(text: string): string[] {
  return text.split(' ');
}
