const pattern = /^v([1-9][0-9]*)(?:(alpha|beta)([1-9][0-9]*))?$/;
const stages: Readonly<Record<string, number>> = { alpha: 0, beta: 1 };

/**
 * Orders API versions as Kubernetes does, best first: GA before beta before alpha, higher numbers first, other names last by alphabet.
 * Source: `k8s.io/apimachinery/pkg/version` `CompareKubeAwareVersionStrings`.
 */
export function compareVersions(a: string, b: string): number {
  const left = parse(a);
  const right = parse(b);
  if (left === undefined || right === undefined) {
    if (left !== undefined) return -1;
    if (right !== undefined) return 1;
    return a < b ? -1 : a > b ? 1 : 0;
  }
  return right.stage - left.stage || right.major - left.major || right.minor - left.minor;
}

function parse(version: string): { stage: number; major: number; minor: number } | undefined {
  const match = pattern.exec(version);
  if (match === null) return undefined;
  const [, major, stage, minor] = match;
  return { stage: stage === undefined ? 2 : (stages[stage] ?? 0), major: Number(major), minor: Number(minor ?? 0) };
}
