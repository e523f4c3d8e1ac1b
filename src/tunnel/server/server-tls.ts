import type { TlsOptions } from 'node:tls';

/** The TLS side of one port. PEM texts. */
export interface ServerTls {
  readonly certificate: string;
  readonly key: string;
  /** Who may connect must show a certificate of it. Absent: none is asked for. */
  readonly clientCa?: string;
  /** @default 'TLSv1.2' */
  readonly minVersion?: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
  /** OpenSSL's names, joined by colons; TLS 1.3 has its own. */
  readonly ciphers?: string;
}

export function toTlsOptions({ certificate, key, clientCa, minVersion = 'TLSv1.2', ciphers }: ServerTls): TlsOptions {
  return {
    cert: certificate,
    key,
    minVersion,
    ...(ciphers !== undefined && { ciphers }),
    ...(clientCa !== undefined && { ca: clientCa, requestCert: true, rejectUnauthorized: true }),
  };
}
