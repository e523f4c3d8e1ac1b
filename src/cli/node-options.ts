import { hostname } from 'node:os';
import type { Taint } from '../api/kubernetes/core-v1.ts';
import { type NodeRoute, nodeRoutes } from '../api/node-route.ts';
import type { NodeAgentConfig } from '../cluster/node-agent.ts';
import { ConfigError } from '../lib/config-error.ts';
import type { OptionSpec, OptionValues } from './command.ts';

/** Flags of the kubelet, with its names and meanings, that `node` and `join` take. */
export const nodeOptions: readonly OptionSpec[] = [
  { flags: '--hostname-override <name>', description: "Name of the node (default: this machine's name)" },
  { flags: '--node-ip <address>', description: 'Address of the node (default: the address it listens on)' },
  { flags: '--address <address>', description: 'Address the kubelet API listens on', default: '127.0.0.1' },
  { flags: '--port <port>', description: 'Port of the kubelet API; 0 takes a free one', default: '10250' },
  { flags: '--healthz-port <port>', description: 'Port of a plain /healthz on 127.0.0.1; 0 is none', default: '0' },
  {
    flags: '--route <route>',
    description:
      'How the control plane reaches this node: by the connection the node opens (tunnel), by dialling it (direct), or by SSH. Recorded when it joins (default: tunnel with a join string, else direct)',
    choices: nodeRoutes,
  },
  { flags: '--node-labels <labels>', description: 'Labels, as key=value,…', repeatable: true },
  { flags: '--register-with-taints <taints>', description: 'Taints, as key=value:effect,…', repeatable: true },
  { flags: '--max-pods <count>', description: 'How many pods may run here', default: '110' },
  { flags: '--runtime <name>', description: 'What runs pods', choices: ['process', 'simulated'], default: 'process' },
  { flags: '--process-image <image=path>', description: 'A program that an image name stands for', repeatable: true },
];

/** @throws {ConfigError} naming the flag */
export function parseNodeOptions(options: OptionValues): Omit<NodeAgentConfig, 'dataDirectory'> {
  const address = options.requiredText('address');
  const nodeIp = options.text('nodeIp');
  const name = options.text('hostnameOverride') ?? hostname().toLowerCase();
  const healthPort = options.integer('healthzPort', { min: 0, max: 65_535 });
  const route = options.text('route') as NodeRoute | undefined; // one of the choices
  return {
    name,
    ...(route && { route }),
    listen: { host: address, port: options.integer('port', { min: 0, max: 65_535 }) ?? 10_250 },
    ...(healthPort && { healthPort }),
    ...(nodeIp !== undefined && {
      addresses: [
        { type: 'InternalIP', address: nodeIp },
        { type: 'Hostname', address: name },
      ],
    }),
    labels: parsePairs('--node-labels', options.list('nodeLabels')),
    taints: options.list('registerWithTaints').map(parseTaint),
    maxPods: options.integer('maxPods', { min: 1, max: 100_000 }) ?? 110,
    runtime: options.text('runtime') === 'simulated' ? 'simulated' : 'process',
    images: parseProcessImages(options),
  };
}

/** `--process-image name=path`, as the process runtime's table. */
export function parseProcessImages(options: OptionValues): NonNullable<NodeAgentConfig['images']> {
  const pairs = Object.entries(parsePairs('--process-image', options.list('processImage')));
  return Object.fromEntries(pairs.map(([image, path]) => [image, { command: [path] }]));
}

function parsePairs(flag: string, pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1) throw new ConfigError(`${flag}: expected key=value, got "${pair}"`);
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

function parseTaint(text: string): Taint {
  const [, key, value, effect] = /^([^=:]+)(?:=([^:]*))?:(NoSchedule|PreferNoSchedule|NoExecute)$/.exec(text) ?? [];
  if (key === undefined || effect === undefined) {
    throw new ConfigError(
      `--register-with-taints: expected key=value:NoSchedule, PreferNoSchedule or NoExecute, got "${text}"`,
    );
  }
  return { key, effect, ...(value !== undefined && { value }) };
}
