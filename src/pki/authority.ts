import { join } from 'node:path';
import { type Clock, systemClock } from '../lib/clock.ts';
import { ConfigError } from '../lib/config-error.ts';
import { type Logger, silentLogger } from '../lib/log.ts';
import { CertificateAuthority, createAuthorityCertificate } from './certificate-authority.ts';
import { formatPrivateKey, formatPublicKey, generateKeyPair, type KeyPair, parsePrivateKey } from './key.ts';
import { readPrivateFile, writePrivateFile } from './private-file.ts';
import { type SigningKey, toSigningKey } from './signing-key.ts';

/**
 * The roots of trust of one cluster. Three CAs, so that what one of them signs means nothing to who trusts another:
 *
 * - `cluster` (CN `kubernetes`): the API server's serving certificate, and every client certificate.
 * - `kubeletServing`: kubelets' serving certificates and nothing else. Only the API server trusts it.
 * - `frontProxy`: proxies that may name the user of a request. A certificate of it is no user, and no user's is of it.
 */
export interface ClusterPki {
  readonly cluster: CertificateAuthority;
  readonly kubeletServing: CertificateAuthority;
  readonly frontProxy: CertificateAuthority;
  readonly serviceAccountKey: SigningKey;
  /** Where the files lie; `undefined` in memory. */
  readonly directory: string | undefined;
}

export interface ClusterPkiOptions {
  /** Laid out as kubeadm's `/etc/kubernetes/pki`. @default nothing is kept */
  readonly directory?: string;
  /** @default the system's */
  readonly clock?: Clock;
  readonly log?: Logger;
}

/** File names without their ending, and the common name. */
const authorities = {
  cluster: ['ca', 'kubernetes'],
  kubeletServing: ['kubelet-serving-ca', 'kubelet-serving-ca'],
  frontProxy: ['front-proxy-ca', 'front-proxy-ca'],
} as const;

/**
 * Opens a cluster's PKI and makes, on the first start, what is not there yet. What is there is never replaced: a file that cannot
 * be read or does not fit its pair is an error for a person to look at.
 * @throws {ConfigError}
 */
export async function openClusterPki(options: ClusterPkiOptions = {}): Promise<ClusterPki> {
  const { directory } = options;
  const [cluster, kubeletServing, frontProxy, serviceAccountKey] = await Promise.all([
    openAuthority('cluster', options),
    openAuthority('kubeletServing', options),
    openAuthority('frontProxy', options),
    openServiceAccountKey(options),
  ]);
  return { cluster, kubeletServing, frontProxy, serviceAccountKey, directory };
}

async function openAuthority(
  role: keyof typeof authorities,
  options: ClusterPkiOptions,
): Promise<CertificateAuthority> {
  const { directory, clock = systemClock, log = silentLogger } = options;
  const [baseName, commonName] = authorities[role];
  if (directory === undefined) {
    const keys = generateKeyPair();
    return new CertificateAuthority(await createAuthorityCertificate(commonName, keys, clock.now()), keys, { clock });
  }
  const certificatePath = join(directory, `${baseName}.crt`);
  const keyPath = join(directory, `${baseName}.key`);
  const [certificatePem, keyPem] = await Promise.all([readPrivateFile(certificatePath), readPrivateFile(keyPath)]);
  if (certificatePem !== undefined && keyPem === undefined) {
    throw new ConfigError(`${keyPath} is missing, but its certificate ${certificatePath} exists: restore the key`);
  }
  // The key is written first. One without a certificate is a first start that broke off, and the certificate can be made again.
  const keys = keyPem === undefined ? generateKeyPair() : readKey(keyPath, keyPem);
  if (keyPem === undefined) await writePrivateFile(keyPath, formatPrivateKey(keys.privateKey));
  const pem = certificatePem ?? (await createAuthorityCertificate(commonName, keys, clock.now()));
  const authority = readAuthority(certificatePath, pem, keys, clock);
  if (certificatePem === undefined) {
    await writePrivateFile(certificatePath, pem);
    log.info('Certificate authority created', { authority: commonName, path: certificatePath, pin: authority.pin });
  }
  return authority;
}

async function openServiceAccountKey({ directory, log = silentLogger }: ClusterPkiOptions): Promise<SigningKey> {
  if (directory === undefined) return toSigningKey(generateKeyPair());
  const path = join(directory, 'sa.key');
  const pem = await readPrivateFile(path);
  if (pem !== undefined) return readSigningKey(path, readKey(path, pem));
  const keys = generateKeyPair();
  await writePrivateFile(path, formatPrivateKey(keys.privateKey));
  await writePrivateFile(join(directory, 'sa.pub'), formatPublicKey(keys.publicKey));
  log.info('Service account signing key created', { path });
  return toSigningKey(keys);
}

/** The causes are left out of these errors: OpenSSL's may quote what it was given. */
function readKey(path: string, pem: string): KeyPair {
  try {
    return parsePrivateKey(pem);
  } catch {
    throw new ConfigError(`${path} holds no private key that can be read`);
  }
}

function readSigningKey(path: string, keys: KeyPair): SigningKey {
  try {
    return toSigningKey(keys);
  } catch (error) {
    throw new ConfigError(`${path}: ${(error as Error).message}`, { cause: error });
  }
}

function readAuthority(path: string, pem: string, keys: KeyPair, clock: Clock): CertificateAuthority {
  let authority: CertificateAuthority;
  try {
    authority = new CertificateAuthority(pem, keys, { clock });
  } catch (error) {
    const why = error instanceof ConfigError ? error.message : 'it holds no certificate that can be read';
    throw new ConfigError(`${path}: ${why}`, { cause: error });
  }
  const notAfter = authority.certificate.validToDate;
  if (notAfter.getTime() <= clock.now())
    throw new ConfigError(`${path}: the certificate has expired at ${notAfter.toISOString()}`);
  return authority;
}
