import { X509Certificate } from 'node:crypto';
import { type Clock, systemClock } from '../lib/clock.ts';
import { ConfigError } from '../lib/config-error.ts';
import type { ParsedRequest } from './certificate-request.ts';
import { formatPrivateKey, generateKeyPair, type KeyPair, publicKeyPin } from './key.ts';
import { type SigningOptions, signRequest } from './signing.ts';
import { type CertificateUsage, createCertificate, type IssuerName, readIssuerName } from './x509.ts';

const minute = 60_000;
const day = 24 * 60 * minute;
/** Certificates begin a little in the past: clocks differ. */
export const backdateMs = 5 * minute;
const authorityLifetimeMs = 3650 * day;
export const defaultLifetimeMs = 365 * day;

export interface IssueOptions {
  readonly commonName: string;
  /** Groups, for a client. */
  readonly organizations?: readonly string[];
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  readonly usages: readonly ('client' | 'server')[];
  /** @default one year; never beyond the authority's own end */
  readonly lifetimeMs?: number;
}

/** A certificate and its key, as kubeconfigs and TLS options take them. */
export interface IssuedCertificate {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

export interface AuthorityOptions {
  /** @default the system's */
  readonly clock?: Clock;
}

/** One CA: its certificate, and its key, which never leaves this object. */
export class CertificateAuthority {
  readonly certificatePem: string;
  readonly certificate: X509Certificate;
  /** `sha256:<hex>` of the public key. */
  readonly pin: string;
  readonly #keys: KeyPair;
  readonly #clock: Clock;
  #name: Promise<IssuerName> | undefined;

  /** @throws {ConfigError} if the key is not the certificate's, or the certificate is none of a CA */
  constructor(certificatePem: string, keys: KeyPair, { clock = systemClock }: AuthorityOptions = {}) {
    this.certificatePem = certificatePem;
    this.certificate = new X509Certificate(certificatePem);
    if (!this.certificate.checkPrivateKey(keys.privateKey))
      throw new ConfigError('the key does not belong to the certificate');
    if (!this.certificate.ca) throw new ConfigError('the certificate is not that of a certificate authority');
    this.pin = publicKeyPin(keys.publicKey);
    this.#keys = keys;
    this.#clock = clock;
  }

  /** A new key with its certificate. */
  async issue(options: IssueOptions): Promise<IssuedCertificate> {
    const { commonName, organizations = [], dnsNames = [], ipAddresses = [], usages } = options;
    const keys = generateKeyPair();
    const now = this.#clock.now();
    const certificatePem = await createCertificate({
      subject: { commonName, organizations },
      dnsNames,
      ipAddresses,
      publicKey: keys.publicKey,
      usages: ['digital signature', ...usages.map((usage): CertificateUsage => `${usage} auth`)],
      notBeforeMs: now - backdateMs,
      notAfterMs: Math.min(now + (options.lifetimeMs ?? defaultLifetimeMs), this.certificate.validToDate.getTime()),
      issuer: await this.#issuer(),
    });
    return { certificatePem, privateKeyPem: formatPrivateKey(keys.privateKey) };
  }

  /**
   * Signs what a stranger asked for, by the rules of upstream's signers. What may be asked for was decided before.
   * Gives the certificate's PEM. @throws {CertificateRequestError} where the request is none or its signature is wrong
   */
  async signRequest(request: string | Uint8Array | ParsedRequest, options: SigningOptions): Promise<string> {
    const authority = { ...(await this.#issuer()), notAfterMs: this.certificate.validToDate.getTime() };
    return signRequest(request, authority, { nowMs: this.#clock.now(), ...options });
  }

  async #issuer(): Promise<IssuerName & { keys: KeyPair }> {
    this.#name ??= readIssuerName(this.certificate.raw);
    return { ...(await this.#name), keys: this.#keys };
  }
}

/** The self-signed certificate of a new CA, valid for ten years. Its own name is also a DNS SAN, as kubeadm has it. */
export function createAuthorityCertificate(commonName: string, keys: KeyPair, nowMs: number): Promise<string> {
  return createCertificate({
    subject: { commonName },
    dnsNames: [commonName],
    publicKey: keys.publicKey,
    usages: [],
    notBeforeMs: nowMs - backdateMs,
    notAfterMs: nowMs + authorityLifetimeMs,
    isAuthority: true,
    issuer: { keys },
  });
}
