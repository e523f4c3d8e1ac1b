import { X509Certificate } from 'node:crypto';
import { parseCertificate } from '../../pki/certificate.ts';

/** Names of nodes are agents' names, whatever an operator lists. */
const nodePrefix = 'system:node:';

/** Whether a certificate, which TLS has verified, is one of our servers': by its common name. */
export function isPeerCertificate(certificate: X509Certificate | undefined, names: readonly string[]): boolean {
  if (!certificate) return false;
  try {
    const { commonName } = parseCertificate(certificate);
    return commonName !== '' && !commonName.startsWith(nodePrefix) && names.includes(commonName);
  } catch {
    return false; // a subject that is ambiguous is nobody's
  }
}

/** The common name in a PEM certificate: what servers that share one certificate, or one name, know each other by. */
export function commonNameOfPem(pem: string): string {
  return parseCertificate(new X509Certificate(pem)).commonName;
}
