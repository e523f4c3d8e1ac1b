/** What is known about one path after walking it. */
export type Verdict =
  /** It works, and every hop was verified; for a negative probe: it was refused. */
  | 'proved'
  /** It works, and a stretch of it is plain text, as upstream's rules leave it. */
  | 'plaintext'
  /** It works, but a hop that should be verified is not. */
  | 'unverified'
  | 'broken'
  /** Nothing in this cluster uses it. */
  | 'unused';

/** One stretch of a path, as the probe that walked it saw it. */
export interface PathHop {
  readonly from: string;
  readonly to: string;
  /** `host:port` that was dialled. */
  readonly address?: string;
  readonly route?: 'direct' | 'tunnel' | 'ssh' | 'egress-selector';
  /** Who passed the bytes on: an agent's id, a proxy server's address. */
  readonly via?: string;
  readonly tls?: {
    /** `TLSv1.3` */
    readonly version: string;
    /** Subject of the server's certificate. */
    readonly peer: string;
    /** Name of the CA that the certificate was verified against. */
    readonly authority: string;
    /** The name that the certificate was verified for. */
    readonly name: string;
  };
  /** Who the caller showed itself as. */
  readonly identity?: string;
  /** What the other end let it do. */
  readonly authorization?: string;
  readonly latencyMs?: number;
}

export interface PathResult {
  /** Stable: what `--path` takes, such as `apiserver-kubelet`. */
  readonly path: string;
  readonly title: string;
  readonly node?: string;
  readonly verdict: Verdict;
  readonly hops: readonly PathHop[];
  /** Why it is not proved. */
  readonly cause?: string;
  /** The command to run next. */
  readonly next?: string;
}

export interface PathReport {
  readonly apiVersion: 'fairlead.dev/v1';
  readonly kind: 'PathReport';
  readonly items: readonly PathResult[];
}

export function pathReport(items: readonly PathResult[]): PathReport {
  return { apiVersion: 'fairlead.dev/v1', kind: 'PathReport', items };
}

/** 0: all proved; 3: a path is broken; 4: a path works and is not verified where it should be. Plain stretches count with `strict`. */
export function exitCodeOf({ items }: PathReport, { strict }: { strict: boolean }): 0 | 3 | 4 {
  if (items.some(({ verdict }) => verdict === 'broken')) return 3;
  const unsafe = items.some(({ verdict }) => verdict === 'unverified' || (strict && verdict === 'plaintext'));
  return unsafe ? 4 : 0;
}
