import { readFile } from 'node:fs/promises';
import { ConfigError } from '../../lib/config-error.ts';
import type { Logger } from '../../lib/log.ts';
import { writePrivateFile } from '../../pki/private-file.ts';
import { generateSshKey, privateKeyType } from './ssh-session.ts';

/**
 * The private key of `--ssh-keyfile`. As upstream, a file that does not exist is made, with its public half beside it as `<file>.pub`; unlike
 * upstream's, the key is ed25519 and the public file a line for `authorized_keys`.
 * @throws {ConfigError} for a key of another kind than ed25519 or ECDSA
 */
export async function ensureSshKey(path: string, { user, log }: { user: string; log: Logger }): Promise<string> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new ConfigError(`--ssh-keyfile: cannot read ${path}: ${error.message}`, { cause: error });
  });
  if (text === undefined) {
    const { privateKey, publicKey } = generateSshKey(`${user}@fairlead`);
    await writePrivateFile(path, privateKey);
    await writePrivateFile(`${path}.pub`, `${publicKey}\n`);
    log.info('SSH key made; nodes must accept it', { user, publicKeyFile: `${path}.pub` });
    return privateKey;
  }
  let type: string;
  try {
    type = privateKeyType(text);
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(`--ssh-keyfile: ${path}: ${message}`, { cause });
  }
  if (type === 'ssh-ed25519' || type.startsWith('ecdsa-sha2-')) return text;
  throw new ConfigError(`--ssh-keyfile: ${path} holds a key of type ${type}; expected ed25519 or ECDSA`);
}
