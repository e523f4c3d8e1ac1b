import { isDeepStrictEqual } from 'node:util';
import type { ClusterRole, PolicyRule } from '../api/kubernetes/rbac-v1.ts';
import { selectorFromObject } from '../api/selectors.ts';
import { clusterRoles } from '../client/resources.ts';
import type { ControllerContext } from './controller.ts';
import { ReconcileLoop } from './reconcile-loop.ts';

/** Fills roles such as `admin` with the rules of all roles that their aggregation rule selects. */
export function startClusterRoleAggregation(context: ControllerContext): AsyncDisposable {
  const { client, informers } = context;
  const roles = informers.get<ClusterRole>(clusterRoles);
  const loop = new ReconcileLoop({
    ...context,
    after: [roles],
    concurrency: 1,
    reconcile: async (name, signal) => {
      const role = roles.get(name);
      if (!role?.aggregationRule) return undefined;
      const rules = aggregatedRules(role, roles.values());
      if (isDeepStrictEqual(rules, role.rules ?? [])) return undefined;
      await client.update<ClusterRole>(clusterRoles, { ...role, rules }, { signal });
      return undefined;
    },
  });
  roles.subscribe(() => {
    for (const role of roles.values()) if (role.aggregationRule) loop.add(role.metadata?.name ?? '');
  });
  return loop;
}

/** The rules of all selected roles but itself, in the order of the roles' names, each rule once. */
export function aggregatedRules(role: ClusterRole, all: Iterable<ClusterRole>): PolicyRule[] {
  const selectors = (role.aggregationRule?.clusterRoleSelectors ?? []).map(selectorFromObject);
  const rules = new Map<string, PolicyRule>();
  const byName = [...all].toSorted((a, b) => ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1));
  for (const other of byName) {
    if (other.metadata?.name === role.metadata?.name) continue;
    if (!selectors.some((selector) => selector.matches(other.metadata?.labels))) continue;
    for (const rule of other.rules ?? []) rules.set(JSON.stringify(rule), rule);
  }
  return [...rules.values()];
}
