import type { PodSpec, Volume } from '../../kubernetes/core-v1.ts';

/** What the parts of a pod's spec must know of the rest of it. */
export interface PodContext {
  /** Those that are right in themselves, by name. */
  readonly volumes: ReadonlyMap<string, Volume>;
  readonly gracePeriodSeconds: number | undefined;
  readonly restartPolicy: string;
  readonly hostUsers: boolean;
  readonly os: string | undefined;
}

export function podContext(spec: Readonly<PodSpec>, volumes: ReadonlyMap<string, Volume>): PodContext {
  return {
    volumes,
    gracePeriodSeconds: spec.terminationGracePeriodSeconds,
    restartPolicy: spec.restartPolicy ?? '',
    hostUsers: spec.hostUsers !== false,
    os: spec.os?.name,
  };
}
