import type { PodSpec } from '../../kubernetes/core-v1.ts';

/** What upstream warns about in a pod's spec, the old one of an update left out. `path` is `''` or that of a template with a dot behind. */
export function podSpecWarnings(spec: Readonly<PodSpec> | undefined, path = ''): string[] {
  if (!spec) return [];
  const warnings: string[] = [];
  const lists = [
    ['containers', spec.containers ?? []],
    ['initContainers', spec.initContainers ?? []],
  ] as const;
  (spec.hostAliases ?? []).forEach(({ ip }, i, all) => {
    if (all.findIndex((other) => other.ip === ip) < i) {
      warnings.push(`${path}spec.hostAliases[${i}].ip: duplicate ip ${JSON.stringify(ip)}`);
    }
  });
  (spec.imagePullSecrets ?? []).forEach(({ name = '' }, i, all) => {
    const at = `${path}spec.imagePullSecrets[${i}].name`;
    if (all.findIndex((other) => (other.name ?? '') === name) < i)
      warnings.push(`${at}: duplicate name ${JSON.stringify(name)}`);
    if (name === '') warnings.push(`${at}: invalid empty name ""`);
  });
  for (const [list, containers] of lists) {
    containers.forEach(({ env = [] }, i) => {
      env.forEach(({ name }, j) => {
        const earlier = env.slice(0, j).filter((other) => other.name === name);
        if (earlier.length === 0) return;
        // `PATH=$(PATH):/more` builds on the earlier one.
        if ((env[j]?.value ?? '').includes(`$(${name})`)) return;
        const why = `hides previous definition of ${JSON.stringify(name)}, which may be dropped when using apply`;
        warnings.push(`${path}spec.${list}[${i}].env[${j}]: ${why}`);
      });
    });
  }
  warnings.push(...portWarnings(spec, path));
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0) {
    const why = 'must be >= 0; negative values are invalid and will be treated as 1';
    warnings.push(`${path}spec.terminationGracePeriodSeconds: ${why}`);
  }
  return warnings;
}

function portWarnings({ containers = [] }: Readonly<PodSpec>, path: string): string[] {
  const warnings: string[] = [];
  const seen = new Map<string, { at: string; host: string }[]>();
  containers.forEach(({ ports = [] }, i) => {
    ports.forEach(({ containerPort, protocol = '', hostIP = '', hostPort = 0 }, j) => {
      const at = `${path}spec.containers[${i}].ports[${j}]`;
      const key = `${containerPort}/${protocol}`;
      const host = `${hostIP}:${hostPort}`;
      const others = seen.get(key) ?? [];
      const same = others.find((other) => other.host === host);
      if (same) warnings.push(`${at}: duplicate port definition with ${same.at}`);
      seen.set(key, [...others, { at, host }]);
    });
  });
  return warnings;
}
