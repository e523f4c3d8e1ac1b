import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type OptionSpec, OptionValues } from './command.ts';
import { konnectivityAgentOptions } from './konnectivity-agent-flags.ts';
import { parseKonnectivityAgent } from './konnectivity-agent-options.ts';
import { konnectivityServerOptions } from './konnectivity-server-flags.ts';
import { parseKonnectivityServer } from './konnectivity-server-options.ts';

/** The defaults of all flags, and some given. */
function values(specs: readonly OptionSpec[], given: Readonly<Record<string, string>>): OptionValues {
  const camel = (name: string) => name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
  const defaults = specs.map(({ flags, default: value }) => [camel(/--([a-z-]+)/.exec(flags)?.[1] ?? ''), value]);
  return new OptionValues({ ...Object.fromEntries(defaults), ...given });
}

const serverMistakes: readonly (readonly [Readonly<Record<string, string>>, string])[] = [
  [{ proxyStrategies: '' }, 'ProxyStrategies cannot be empty'],
  [{ proxyStrategies: 'x' }, 'invalid proxy strategies: unknown proxy strategy: x'],
  [{ xfrChannelSize: '-10' }, 'channel size -10 must be greater than 0'],
  [{ gracefulShutdownTimeout: '-1s' }, 'graceful-shutdown-timeout must be >= 0, got -1s'],
  [{ backendDialTimeout: '-1s' }, 'backend-dial-timeout must be >= 0, got -1s'],
  [{ agentPort: '1023' }, 'please do not try to use reserved port 1023 for the agent port'],
  [{ agentPort: '49152' }, 'please do not try to use ephemeral port 49152 for the agent port'],
];

test('mistakes in the server’s flags are told in upstream’s words', () => {
  for (const [given, message] of serverMistakes) {
    const options = values(konnectivityServerOptions, given);
    assert.throws(() => parseKonnectivityServer(options), { name: 'ConfigError', message });
  }
});

const agentMistakes: readonly (readonly [Readonly<Record<string, string>>, string])[] = [
  [{ serverCountSource: 'x' }, "--server-count-source must be one of '', 'default', 'max', got x"],
  [{ proxyServerPort: '0' }, 'proxy server port 0 must be greater than 0'],
  [{ healthServerPort: '-1' }, 'health server port -1 must be greater than 0'],
  [{ adminServerPort: '0' }, 'admin server port 0 must be greater than 0'],
  [{ xfrChannelSize: '0' }, 'channel size 0 must be greater than 0'],
];

test('mistakes in the agent’s flags are told in upstream’s words', () => {
  for (const [given, message] of agentMistakes) {
    const options = values(konnectivityAgentOptions, { caCert: '/dev/null', ...given });
    assert.throws(() => parseKonnectivityAgent(options), { name: 'ConfigError', message });
  }
});
