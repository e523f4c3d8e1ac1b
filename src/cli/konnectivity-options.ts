import { randomUUID } from 'node:crypto';
import { ConfigError } from '../lib/config-error.ts';
import { createLogger, type Logger } from '../lib/log.ts';
import type { QueueLimits } from '../tunnel/queue-budget.ts';
import { type OptionSpec, type OptionValues, parseDuration } from './command.ts';

/** Flags of Go's logging that upstream's manifests pass. Taken so that a manifest works as it is; only `--v` has an effect. */
const klogFlags: readonly (readonly [string, 'value' | 'boolean'])[] = [
  ['add-dir-header', 'boolean'],
  ['alsologtostderr', 'boolean'],
  ['alsologtostderrthreshold', 'value'],
  ['legacy-stderr-threshold-behavior', 'boolean'],
  ['log-backtrace-at', 'value'],
  ['log-dir', 'value'],
  ['log-file', 'value'],
  ['log-file-max-size', 'value'],
  ['logtostderr', 'boolean'],
  ['one-output', 'boolean'],
  ['skip-headers', 'boolean'],
  ['skip-log-headers', 'boolean'],
  ['stderrthreshold', 'value'],
  ['vmodule', 'value'],
];

export const klogOptions: readonly OptionSpec[] = [
  { flags: '--v <level>', description: 'Log level; 5 and up logs debug lines', default: '4' },
  ...klogFlags.map(([name, kind]) => ({
    flags: kind === 'boolean' ? `--${name} [boolean]` : `--${name} <value>`,
    description: 'Taken for the sake of existing manifests; without effect',
  })),
];

/** A flag with a value. */
export function valueFlag(name: string, description: string, fallback?: string): OptionSpec {
  return { flags: `--${name} <value>`, description, ...(fallback !== undefined && { default: fallback }) };
}

/** A Go boolean: `--name`, `--name=true`, `--name=false`. */
export function booleanFlag(name: string, description: string, fallback = false): OptionSpec {
  return { flags: `--${name} [boolean]`, description, default: String(fallback) };
}

/** A Go duration that may not be negative. @throws {ConfigError} with upstream's text */
export function parseNonNegativeDuration(
  options: OptionValues,
  { name, flag }: { name: string; flag: string },
): number {
  const text = options.text(name) ?? '0';
  const ms = parseDuration(text.replace(/^-/, ''));
  if (ms === undefined) throw new ConfigError(`--${flag}: expected a duration such as 30s or 1h, got "${text}"`);
  if (text.startsWith('-') && ms > 0) throw new ConfigError(`${flag} must be >= 0, got ${text}`);
  return ms;
}

/** A port of the server, with upstream's bounds and texts. */
export function parseServerPort(options: OptionValues, { name, what }: { name: string; what: string }): number {
  const port = parseNumber(options, name);
  if (port > 49_151) throw new ConfigError(`please do not try to use ephemeral port ${port} for the ${what} port`);
  if (port < 1024) throw new ConfigError(`please do not try to use reserved port ${port} for the ${what} port`);
  return port;
}

export function parsePositive(options: OptionValues, { name, what }: { name: string; what: string }): number {
  const value = parseNumber(options, name);
  if (value <= 0) throw new ConfigError(`${what} ${value} must be greater than 0`);
  return value;
}

export function parseNumber(options: OptionValues, name: string): number {
  const text = options.requiredText(name);
  const value = Number(text);
  if (!Number.isInteger(value)) throw new ConfigError(`invalid value "${text}": expected a whole number`);
  return value;
}

/** `--enable-profiling`. @throws {ConfigError} with upstream's text */
export function parseProfiling(options: OptionValues): boolean {
  const profiling = options.flag('enableProfiling');
  if (options.flag('enableContentionProfiling') && !profiling) {
    throw new ConfigError('if --enable-contention-profiling is set, --enable-profiling must also be set');
  }
  return profiling;
}

const packetBytes = 32 * 1024;
const minConnectionBytes = 4 * 1024 * 1024;
const minTotalBytes = 256 * 1024 * 1024;

/** `--xfr-channel-size`, a number of packets upstream, as bytes that may wait for one reader. It never makes less of it than our own bound. */
export function queuesOfPackets(packets: number): Required<Pick<QueueLimits, 'connectionBytes' | 'totalBytes'>> {
  const connectionBytes = Math.max(minConnectionBytes, packets * packetBytes);
  return { connectionBytes, totalBytes: Math.max(minTotalBytes, 8 * connectionBytes) };
}

/** A name from the flag, else the environment, else a new one. */
export function chooseId(flag: string | undefined, variable: string): string {
  return flag || process.env[variable] || randomUUID();
}

export function openKlog(options: OptionValues): Logger {
  return createLogger({ level: Number(options.text('v') ?? '4') >= 5 ? 'debug' : 'info' });
}
