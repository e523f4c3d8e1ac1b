import type { CertificateSigningRequest } from '../../api/kubernetes/certificates-v1.ts';

export function hasCondition({ status }: CertificateSigningRequest, type: 'Approved' | 'Denied' | 'Failed'): boolean {
  return status?.conditions?.some((condition) => condition.type === type) ?? false;
}

/** The PEM text inside `spec.request`, which the API has as base64. */
export function requestPem({ spec }: CertificateSigningRequest): string {
  return Buffer.from(spec.request, 'base64').toString('latin1');
}
