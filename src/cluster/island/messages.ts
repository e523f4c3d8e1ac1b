import type { ClientCertificate } from '../../client/client-config.ts';
import type { ImageTable } from '../../kubelet/runtimes/process/image-table.ts';
import { ConfigError } from '../../lib/config-error.ts';
import type { ApiServerPlace } from './api-server-places.ts';

/** What the island is told when it starts, as one line of JSON on its standard input, so that no secret stands in a command line. */
export interface IslandStart {
  readonly type: 'start';
  readonly name: string;
  readonly dataDirectory: string;
  /** A tmpfs of this run for pods' network namespaces. */
  readonly namespaceDirectory: string;
  /** The node's own address in the island. */
  readonly address: string;
  /** `https://host:port`, as every node dials it. */
  readonly server: string;
  /** The Unix socket of the host through which the API server is reached. */
  readonly gateway: string;
  /** Where the island listens in the API server's place. */
  readonly apiServerPlaces: readonly ApiServerPlace[];
  /** Where Services have their addresses: IPv4 ranges. */
  readonly serviceRanges: readonly string[];
  readonly bootstrap?: string;
  /** Whom kube-proxy trusts, and who it is. */
  readonly proxy: { readonly ca: string; readonly certificate: ClientCertificate };
  /** @default the Node's `spec.podCIDR`, waited for */
  readonly podCidr?: string;
  readonly runtime: 'process' | 'simulated';
  readonly images: ImageTable;
  readonly labels: Readonly<Record<string, string>>;
  readonly shutdownGraceMs?: number;
  /** Whether debug lines are wanted. */
  readonly verbose: boolean;
}

/** What the island is told: first to start, in the end to stop. */
export type IslandCommand =
  | IslandStart
  /** It was renewed. */
  | { readonly type: 'proxy-certificate'; readonly certificate: ClientCertificate }
  | { readonly type: 'stop' };

export type LogLevelName = 'debug' | 'info' | 'warn' | 'error';

/** What the island says, one line of JSON each on its standard output. */
export type IslandEvent =
  | {
      readonly type: 'log';
      readonly level: LogLevelName;
      readonly message: string;
      readonly fields: Record<string, unknown>;
    }
  /** The kubelet API listens. */
  | { readonly type: 'listening'; readonly port: number }
  | { readonly type: 'ready' }
  | { readonly type: 'failed'; readonly error: ErrorText };

/** An error, as far as it crosses a process. */
export interface ErrorText {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  readonly cause?: ErrorText;
}

export function describeError(error: unknown, depth = 0): ErrorText {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) };
  const { name, message, stack, cause } = error;
  return {
    name,
    message,
    ...(stack !== undefined && { stack }),
    ...(cause !== undefined && depth < 8 && { cause: describeError(cause, depth + 1) }),
  };
}

/** The error again, on the other side. */
export function reviveError({ name, message, stack, cause }: ErrorText): Error {
  const Kind = name === 'ConfigError' ? ConfigError : Error; // who reads it tells these apart
  const error = new Kind(message, cause && { cause: reviveError(cause) });
  return Object.assign(error, { name, ...(stack !== undefined && { stack }) });
}
