import type { SshTunnelsConfig } from '../egress/ssh/open-ssh-tunnels.ts';
import { ConfigError } from '../lib/config-error.ts';
import type { OptionSpec, OptionValues } from './command.ts';

/** Flags that decide how the API server reaches nodes that it neither dials directly nor by the tunnel. */
export const egressOptions: readonly OptionSpec[] = [
  {
    flags: '--ssh-user <user>',
    description: 'Deprecated, use the tunnel: reach nodes whose route is ssh by SSH as this user',
  },
  {
    flags: '--ssh-keyfile <file>',
    description: 'Private key for --ssh-user: ed25519 or ECDSA; made where the file does not exist',
  },
  {
    flags: '--ssh-known-hosts-file <file>',
    description: "Keys of the nodes' SSH servers (default: those that the Nodes publish)",
  },
];

/** As upstream cuts it. */
const maxUserLength = 32;

/** What the `--ssh-*` flags say; `undefined` without them. @throws {ConfigError} naming the flag */
export function parseSshTunnels(options: OptionValues): SshTunnelsConfig | undefined {
  const user = options.text('sshUser') ?? '';
  const keyFile = options.text('sshKeyfile') ?? '';
  const knownHostsFile = options.text('sshKnownHostsFile');
  if (user === '') {
    if (keyFile === '' && knownHostsFile === undefined) return undefined;
    throw new ConfigError('--ssh-keyfile and --ssh-known-hosts-file need --ssh-user');
  }
  if (keyFile === '') throw new ConfigError('--ssh-user needs --ssh-keyfile');
  return { user: user.slice(0, maxUserLength), keyFile, ...(knownHostsFile !== undefined && { knownHostsFile }) };
}
