import manifest from '../../package.json' with { type: 'json' };

/** Fairlead's own version. */
export const fairleadVersion: string = manifest.version;

/** The Kubernetes version whose API is served. */
export const kubernetesVersion = { major: '1', minor: '36', gitVersion: 'v1.36.1' } as const;
