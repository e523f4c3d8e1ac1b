import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';

export interface ExpectedKubelet {
  readonly nodeName: string;
  /** The address that was dialled. */
  readonly host: string;
}

/**
 * Whether a certificate, whose chain has been verified, is that of the node: its name as a DNS SAN, so that a changed address is no error.
 * A certificate without it falls back to upstream's rule, the dialled address among the SANs, unless its subject names another node.
 * Returns what is wrong, or `undefined`.
 */
export function checkKubeletIdentity(der: Uint8Array, { nodeName, host }: ExpectedKubelet): Error | undefined {
  const certificate = new X509Certificate(der);
  const exactly = { subject: 'never', wildcards: false } as const;
  if (certificate.checkHost(nodeName, exactly) !== undefined) return undefined;
  const subject = /^CN=system:node:(.+)$/m.exec(certificate.subject)?.[1];
  const foreign = subject !== undefined && subject !== nodeName;
  const addressed = isIP(host) ? certificate.checkIP(host) : certificate.checkHost(host, exactly);
  if (addressed !== undefined && !foreign) return undefined;
  const names = certificate.subjectAltName ?? 'no names';
  const owner = foreign ? `the certificate is that of node "${subject}" (${names})` : `the certificate is for ${names}`;
  return new KubeletIdentityError(`${owner}, not for node "${nodeName}" or ${host}`);
}

/** A certificate of the right authority, but of something else than the node. */
export class KubeletIdentityError extends Error {
  override readonly name = 'KubeletIdentityError';
}

const selfSignedCodes = new Set(['DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN']);
const unknownIssuerCodes = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_SIGNATURE_FAILURE',
]);

const turnOn =
  'a fairlead node asks for a serving certificate by itself; an upstream kubelet needs serverTLSBootstrap: true, and its CertificateSigningRequest (kubectl get csr) approved';

/** Why TLS with a kubelet failed, in words that say what to do. */
export function explainTlsFailure(error: Error & { code?: string }): string {
  const code = error.code ?? '';
  if (error instanceof KubeletIdentityError) return `tls: ${error.message}`;
  if (selfSignedCodes.has(code)) {
    return `tls: the kubelet shows a self-signed certificate (or one of its own authority), which --kubelet-certificate-authority does not cover: ${turnOn}`;
  }
  if (unknownIssuerCodes.has(code)) {
    return `tls: the kubelet's certificate is signed by an authority that is not in --kubelet-certificate-authority: ${turnOn}`;
  }
  if (code === 'CERT_HAS_EXPIRED') return "tls: the kubelet's serving certificate has expired";
  if (code === 'CERT_NOT_YET_VALID') return "tls: the kubelet's serving certificate is not valid yet: check the clocks";
  return `tls: ${error.message}`;
}
