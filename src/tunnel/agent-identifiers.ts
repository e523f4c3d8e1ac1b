import { ConfigError } from '../lib/config-error.ts';

/** What an agent says it can reach, from its `--agent-identifiers`. */
export interface AgentIdentifiers {
  readonly ipv4: readonly string[];
  readonly ipv6: readonly string[];
  readonly host: readonly string[];
  readonly cidr: readonly string[];
  readonly defaultRoute: boolean;
}

const keys = ['ipv4', 'ipv6', 'host', 'cidr', 'default-route'] as const;

/** Go's `strconv.ParseBool`: anything else is false. */
const truths: ReadonlySet<string> = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);

/**
 * Reads the URL query form, `host=a&host=b&ipv4=10.0.0.1&default-route=true`.
 * @throws {ConfigError} for a bad encoding; with `strict`, which agents are at start and servers are not, for unknown keys too
 */
export function parseAgentIdentifiers(text: string, { strict = false }: { strict?: boolean } = {}): AgentIdentifiers {
  const values = new Map<string, string[]>();
  for (const pair of text.split('&').filter((part) => part !== '')) {
    if (pair.includes(';')) throw new ConfigError(`invalid semicolon separator in agent identifiers "${text}"`);
    const at = pair.indexOf('=');
    const key = decode(at < 0 ? pair : pair.slice(0, at));
    const value = at < 0 ? '' : decode(pair.slice(at + 1));
    if (strict && !keys.some((known) => known === key)) {
      throw new ConfigError(`unknown agent identifier "${key}": expected one of ${keys.join(', ')}`);
    }
    values.set(key, [...(values.get(key) ?? []), value]);
  }
  const all = (key: (typeof keys)[number]) => values.get(key) ?? [];
  return {
    ipv4: all('ipv4'),
    ipv6: all('ipv6'),
    host: all('host'),
    cidr: all('cidr'),
    defaultRoute: truths.has(all('default-route')[0] ?? ''),
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch (error) {
    throw new ConfigError(`invalid URL escape in agent identifiers "${text}"`, { cause: error });
  }
}
