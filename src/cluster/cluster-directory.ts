import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '../lib/config-error.ts';

/** What a cluster remembers between starts, beside its store and keys. */
export interface ClusterRecord {
  readonly apiVersion: 'fairlead.dev/v1';
  readonly kind: 'ClusterRecord';
  /** The API server's address, so that a restart takes the same port. */
  readonly server: string;
  /** The process that runs it now, and when that process began, so that a number used again is noticed. Absent when it was ended in order. */
  readonly process?: { readonly pid: number; readonly startedAt: string };
}

/** The paths of one cluster's data directory. */
export interface ClusterPaths {
  readonly root: string;
  readonly pki: string;
  readonly store: string;
  readonly nodes: string;
  readonly adminKubeconfig: string;
  readonly record: string;
}

export function clusterPaths(root: string): ClusterPaths {
  return {
    root,
    pki: join(root, 'pki'),
    store: join(root, 'store', 'store.db'),
    nodes: join(root, 'nodes'),
    adminKubeconfig: join(root, 'admin.kubeconfig'),
    record: join(root, 'cluster.json'),
  };
}

/** `undefined` where no cluster has been. @throws {ConfigError} for a file that holds something else */
export function readClusterRecord({ record }: ClusterPaths): ClusterRecord | undefined {
  let text: string;
  try {
    text = readFileSync(record, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const value: unknown = parseJson(text);
  if (isRecord(value)) return value;
  throw new ConfigError(`${record} is not a cluster record: move it away to start anew`);
}

export function writeClusterRecord(paths: ClusterPaths, record: ClusterRecord): void {
  mkdirSync(paths.root, { recursive: true, mode: 0o700 });
  const partial = `${paths.record}.${process.pid}`;
  writeFileSync(partial, `${JSON.stringify(record, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(partial, paths.record);
}

/** This process as a record names it. */
export function currentProcess(): NonNullable<ClusterRecord['process']> {
  return { pid: process.pid, startedAt: startOf(process.pid) ?? '' };
}

/** Whether the process that a record names is alive and still the same one. */
export function isRunning(record: ClusterRecord): boolean {
  if (!record.process) return false;
  try {
    process.kill(record.process.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return (startOf(record.process.pid) ?? '') === record.process.startedAt;
}

export function deleteClusterData({ root }: ClusterPaths): void {
  rmSync(root, { recursive: true, force: true });
}

/** Clock ticks since boot at which a process began, from `/proc/<pid>/stat`; `undefined` on systems without it. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined; // no /proc here, or no such process
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // reported by the caller, with the path
  }
}

function isRecord(value: unknown): value is ClusterRecord {
  return (
    typeof value === 'object' &&
    value !== null &&
    'kind' in value &&
    value.kind === 'ClusterRecord' &&
    'server' in value
  );
}
