import type { Secret } from '../api/kubernetes/core-v1.ts';
import {
  bootstrapTokenNamespace,
  bootstrapTokenSecretName,
  parseBootstrapToken,
  parseBootstrapTokenSecret,
} from '../auth/bootstrap-tokens.ts';
import { currentOf } from '../client/client-config.ts';
import { secrets } from '../client/resources.ts';
import { createJoinToken } from '../cluster/join-token.ts';
import { formatYaml } from '../lib/yaml.ts';
import { certificatePin } from '../pki/certificate.ts';
import { clusterOptions, connectToCluster } from './cluster-options.ts';
import { CommandError, type CommandSpec, exitCodes } from './command.ts';
import { formatTable } from './terminal.ts';

const connectionOptions = [
  ...clusterOptions,
  { flags: '--kubeconfig <file>', description: 'Kubeconfig with the credentials to use' },
];

const create: CommandSpec = {
  name: 'create',
  summary: 'Create a join string, for one node unless --reusable',
  options: [
    ...connectionOptions,
    { flags: '--ttl <duration>', description: 'How long it may be used', default: '15m' },
    { flags: '--reusable', description: 'Any number of nodes may use it, as with a bootstrap token of upstream' },
    { flags: '--description <text>', description: 'What it is for' },
    { flags: '--server <url>', description: 'Address that the node will use, where it is not the one used here' },
    {
      flags: '-o, --output <format>',
      description: 'Output format',
      choices: ['text', 'json', 'yaml', 'token'],
      default: 'text',
    },
  ],
  run: async ({ options, terminal, signal }) => {
    const { client, config } = await connectToCluster(options);
    await using connection = client;
    const ttlMs = options.durationMs('ttl') ?? 0;
    const expiresAtMs = ttlMs === 0 ? undefined : Date.now() + ttlMs;
    const created = await createJoinToken(connection, {
      server: options.text('server') ?? connection.server,
      caPin: certificatePin(currentOf(config.ca)),
      oneTime: !options.flag('reusable'),
      ...(expiresAtMs !== undefined && { expiresAtMs }),
      ...(options.text('description') !== undefined && { description: options.requiredText('description') }),
      signal,
    });
    const format = options.text('output');
    if (format === 'token') terminal.print(created.token);
    else if (format === 'text') terminal.print(created.joinString);
    else {
      const document = {
        apiVersion: 'fairlead.dev/v1',
        kind: 'JoinString',
        id: created.id,
        joinString: created.joinString,
        ...(expiresAtMs !== undefined && { expires: new Date(expiresAtMs).toISOString() }),
      };
      terminal.print(format === 'json' ? JSON.stringify(document, undefined, 2) : formatYaml(document));
    }
    terminal.say(`on the new node run:  fairlead join ${format === 'text' ? '<the line above>' : created.joinString}`);
    return exitCodes.ok;
  },
};

const list: CommandSpec = {
  name: 'list',
  summary: 'List tokens with role, uses left and expiry; never their secrets',
  options: [
    ...connectionOptions,
    {
      flags: '-o, --output <format>',
      description: 'Output format',
      choices: ['text', 'json', 'yaml'],
      default: 'text',
    },
    { flags: '--no-headers', description: 'Leave out the column heads' },
  ],
  run: async ({ options, terminal, signal }) => {
    const { client } = await connectToCluster(options);
    await using connection = client;
    const fieldSelector = 'type=bootstrap.kubernetes.io/token';
    const found = await connection.list<Secret>(secrets, { namespace: bootstrapTokenNamespace, fieldSelector, signal });
    const items = found.items.flatMap((secret) => {
      const token = parseBootstrapTokenSecret(secret);
      if (!token) return [];
      const expired = token.expiresAtMs !== undefined && token.expiresAtMs <= Date.now();
      return [
        {
          id: token.id,
          role: 'node',
          uses: token.oneTime ? (token.boundNode === undefined ? '1 left' : `used by ${token.boundNode}`) : 'unlimited',
          expires: token.expiresAtMs === undefined ? 'never' : new Date(token.expiresAtMs).toISOString(),
          expired,
          description: token.description,
        },
      ];
    });
    const format = options.text('output');
    const document = { apiVersion: 'fairlead.dev/v1', kind: 'TokenList', items };
    if (format === 'json') terminal.print(JSON.stringify(document, undefined, 2));
    else if (format === 'yaml') terminal.print(formatYaml(document));
    else {
      const rows = items.map((item) => [
        item.id,
        item.role,
        item.uses,
        item.expired ? `${item.expires} (expired)` : item.expires,
        item.description,
      ]);
      terminal.print(
        formatTable(['ID', 'ROLE', 'USES', 'EXPIRES', 'DESCRIPTION'], rows, {
          noHeaders: options.optionalFlag('headers') === false,
        }),
      );
    }
    return exitCodes.ok;
  },
};

const remove: CommandSpec = {
  name: 'delete',
  summary: 'Delete a token by its id',
  arguments: [{ name: '<id>', description: 'The six characters before the dot, as `token list` shows them' }],
  options: connectionOptions,
  run: async ({ options, args, terminal, signal }) => {
    const given = args[0] ?? '';
    const id = parseBootstrapToken(given)?.id ?? given;
    if (!/^[a-z0-9]{6}$/.test(id)) {
      throw new CommandError(`expected a token id of six letters and digits, got "${id}"`, {
        exitCode: exitCodes.usage,
        hint: 'fairlead token list',
      });
    }
    const { client } = await connectToCluster(options);
    await using connection = client;
    await connection.delete(
      secrets,
      { namespace: bootstrapTokenNamespace, name: bootstrapTokenSecretName(id) },
      { signal },
    );
    terminal.say(`token ${id} deleted`);
    return exitCodes.ok;
  },
};

export const token: CommandSpec = {
  name: 'token',
  summary: 'Create, list and delete the tokens that nodes join with',
  subcommands: [create, list, remove],
};
