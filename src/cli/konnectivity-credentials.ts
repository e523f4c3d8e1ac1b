import { createPrivateKey, X509Certificate } from 'node:crypto';
import { ConfigError } from '../lib/config-error.ts';
import type { Logger } from '../lib/log.ts';
import { WatchedFiles } from '../lib/watched-files.ts';
import { parseCertificates } from '../pki/certificate.ts';

/** Files of one TLS side, by the flags that name them. */
export interface CredentialFiles {
  readonly certificate?: CredentialFile;
  readonly key?: CredentialFile;
  readonly ca?: CredentialFile;
}

export interface CredentialFile {
  readonly flag: string;
  readonly path: string;
}

/** PEM texts that were checked: the key is the certificate's, and the bundle holds certificates. */
export interface CredentialTexts {
  readonly certificate?: string;
  readonly key?: string;
  readonly ca?: string;
}

/** Reads certificate, key and CA bundle, and follows them on disk. @throws {ConfigError} naming the flag, at the first reading */
export async function watchCredentials(
  files: CredentialFiles,
  { log }: { log: Logger },
): Promise<WatchedFiles<CredentialTexts>> {
  const named = Object.entries(files).filter((entry): entry is [string, CredentialFile] => entry[1] !== undefined);
  const parse = (texts: readonly string[]): CredentialTexts => {
    const found: CredentialTexts = Object.fromEntries(named.map(([kind], at) => [kind, texts[at] ?? '']));
    check(files, found);
    return found;
  };
  try {
    return await WatchedFiles.open({ paths: named.map(([, { path }]) => path), parse, log });
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const path = (error as NodeJS.ErrnoException).path;
    const flag =
      named.find(([, file]) => file.path === path)?.[1].flag ?? named.map(([, file]) => file.flag).join(', ');
    throw new ConfigError(`--${flag}: cannot read ${path ?? 'the files'}`, { cause: error });
  }
}

/** @throws {ConfigError} */
function check(files: CredentialFiles, { certificate, key, ca }: CredentialTexts): void {
  const attempt = <T>(file: CredentialFile | undefined, what: string, read: () => T): T => {
    try {
      return read();
    } catch (error) {
      throw new ConfigError(`--${file?.flag}: ${file?.path} holds no ${what} that can be read`, { cause: error });
    }
  };
  if (ca !== undefined) {
    const found = attempt(files.ca, 'certificates', () => parseCertificates(ca));
    if (found.length === 0) throw new ConfigError(`--${files.ca?.flag}: ${files.ca?.path} holds no certificate`);
  }
  if (certificate === undefined || key === undefined) return;
  const leaf = attempt(files.certificate, 'certificate', () => new X509Certificate(certificate));
  const secret = attempt(files.key, 'private key', () => createPrivateKey(key));
  if (!leaf.checkPrivateKey(secret)) {
    throw new ConfigError(
      `--${files.key?.flag}: the key is not the one of the certificate in ${files.certificate?.path}`,
    );
  }
}
