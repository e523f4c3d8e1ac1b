import { existsSync } from 'node:fs';
import { ConfigError } from '../lib/config-error.ts';
import type { OptionValues } from './command.ts';
import { parseNumber } from './konnectivity-options.ts';
import { type RateLimit, rateLimitOf } from './rate-limited-client.ts';

/** How the API server is reached; read where something needs it. */
export interface ApiAccess {
  /** Absent: the service account of the pod. */
  readonly kubeconfig: string | undefined;
  readonly limit: RateLimit;
}

/** @throws {ConfigError} where the file is not there */
export function parseApiAccess(options: OptionValues): ApiAccess {
  const kubeconfig = options.text('kubeconfig') || undefined;
  if (kubeconfig && !existsSync(kubeconfig)) throw new ConfigError(`error checking kubeconfig path ${kubeconfig}`);
  const number = (name: string) => {
    const value = Number(options.text(name) ?? '0');
    if (Number.isNaN(value)) throw new ConfigError(`invalid value "${options.text(name)}": expected a number`);
    return value;
  };
  const qps = number('kubeconfigQps');
  const burst = options.text('kubeconfigBurst') === undefined ? 0 : parseNumber(options, 'kubeconfigBurst');
  return { kubeconfig, limit: rateLimitOf({ qps, burst }) };
}

const labelPart = /^[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?$/;

/** Reads `--lease-label`: `k=v,k=v`, never empty. @throws {ConfigError} */
export function parseLeaseLabels(text: string): Readonly<Record<string, string>> {
  const labels = text.split(',').map((part) => {
    const [key = '', value = '', ...more] = part.split('=');
    if (more.length > 0 || !part.includes('=') || !labelPart.test(key) || (value !== '' && !labelPart.test(value))) {
      throw new ConfigError(`invalid lease label "${text}": expected key=value,key=value`);
    }
    return [key, value] as const;
  });
  return Object.fromEntries(labels);
}

/** Text of a label selector that selects the labels. */
export function selectorOf(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}
