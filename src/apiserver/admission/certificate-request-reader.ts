import type { CertificateSigningRequest } from '../../api/kubernetes/certificates-v1.ts';
import { CertificateRequestError, type ParsedRequest, parseCertificateRequest } from '../../pki/certificate-request.ts';
import type { AdmissionAttributes } from './admission.ts';
import { deny } from './deny.ts';
import { newObject } from './typed-object.ts';

/** What a new CertificateSigningRequest asks for, its signature checked. @throws {ApiError} 403 `<failure>: <why>` */
export async function readRequest(attributes: AdmissionAttributes, failure: string): Promise<ParsedRequest> {
  const { request } = newObject<CertificateSigningRequest>(attributes).spec;
  try {
    return await parseCertificateRequest(Buffer.from(request, 'base64'));
  } catch (error) {
    if (error instanceof CertificateRequestError) throw deny(attributes, `${failure}: ${error.message}`);
    throw error;
  }
}
