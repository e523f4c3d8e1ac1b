import { isDeepStrictEqual } from 'node:util';
import { duplicate, type FieldError, forbiddenField, invalid, notSupported, required } from '../field-error.ts';
import type { CertificateSigningRequest, CertificateSigningRequestCondition } from '../kubernetes/certificates-v1.ts';
import { dns1123LabelErrors, dns1123SubdomainErrors } from './names.ts';
import { describeChanges } from './pod/describe-changes.ts';

const usages = [
  'any',
  'cert sign',
  'client auth',
  'code signing',
  'content commitment',
  'crl sign',
  'data encipherment',
  'decipher only',
  'digital signature',
  'email protection',
  'encipher only',
  'ipsec end system',
  'ipsec tunnel',
  'ipsec user',
  'key agreement',
  'key encipherment',
  'microsoft sgc',
  'netscape sgc',
  'ocsp signing',
  's/mime',
  'server auth',
  'signing',
  'timestamping',
];

/** `badRequest` is what is wrong with the PKCS#10 request, if anything; `badCertificate` with the certificate. */
export interface RequestFindings {
  readonly badRequest?: string | undefined;
  readonly badCertificate?: string | undefined;
}

export function validateCertificateSigningRequest(
  { spec, status }: Readonly<CertificateSigningRequest>,
  { badRequest, badCertificate }: RequestFindings,
): FieldError[] {
  const { request = '', signerName = '', expirationSeconds } = spec ?? {};
  const given: readonly string[] = spec?.usages ?? [];
  const errors: FieldError[] = [];
  if (badRequest !== undefined) errors.push(invalid('spec.request', request, badRequest));
  if (given.length === 0) errors.push(required('spec.usages'));
  given.forEach((usage, i) => {
    if (!usages.includes(usage)) errors.push(notSupported(`spec.usages[${i}]`, usage, usages));
  });
  given.forEach((usage, i) => {
    if (given.indexOf(usage) < i) errors.push(duplicate(`spec.usages[${i}]`, usage));
  });
  errors.push(...validateSignerName(signerName, 'spec.signerName'));
  if (expirationSeconds !== undefined && expirationSeconds < 600) {
    const detail = 'may not specify a duration less than 600 seconds (10 minutes)';
    errors.push(invalid('spec.expirationSeconds', expirationSeconds, detail));
  }
  errors.push(...validateConditions(status?.conditions ?? []));
  if (badCertificate !== undefined) errors.push(invalid('status.certificate', '<certificate data>', badCertificate));
  return errors;
}

/** `mayDecide`: through `approval`; `maySign`: through `status`. */
export function validateCertificateSigningRequestUpdate(
  now: Readonly<CertificateSigningRequest>,
  old: Readonly<CertificateSigningRequest>,
  { mayDecide, maySign, ...findings }: RequestFindings & { mayDecide: boolean; maySign: boolean },
): FieldError[] {
  const errors = validateCertificateSigningRequest(now, findings);
  const path = 'status.conditions';
  const ofType = (csr: Readonly<CertificateSigningRequest>, type: string) =>
    (csr.status?.conditions ?? []).filter((condition) => condition.type === type);
  for (const type of ['Approved', 'Denied', 'Failed']) {
    if (ofType(now, type).length < ofType(old, type).length) {
      errors.push(forbiddenField(path, `updates may not remove a condition of type "${type}"`));
    }
  }
  for (const type of mayDecide ? [] : ['Approved', 'Denied']) {
    const [after, before] = [ofType(now, type), ofType(old, type)];
    if (after.length > before.length) {
      errors.push(forbiddenField(path, `updates may not add a condition of type "${type}"`));
    } else if (after.length === before.length && !isDeepStrictEqual(after, before)) {
      const diff = describeChanges(before, after);
      errors.push(forbiddenField(path, `updates may not modify a condition of type "${type}"\n${diff}`));
    }
  }
  const [certificate = '', issued = ''] = [now.status?.certificate, old.status?.certificate];
  if (certificate !== issued) {
    if (!maySign) errors.push(forbiddenField('status.certificate', 'updates may not set certificate content'));
    else if (issued !== '') {
      errors.push(forbiddenField('status.certificate', 'updates may not modify existing certificate content'));
    }
  }
  return errors;
}

function validateConditions(conditions: readonly CertificateSigningRequestCondition[]): FieldError[] {
  const seen = new Set<string>();
  return conditions.flatMap(({ type = '', status = '' }, i) => {
    const at = `status.conditions[${i}]`;
    const errors = type === '' ? [required(`${at}.type`)] : [];
    const allowed = ['Approved', 'Denied', 'Failed'].includes(type) ? ['True'] : ['False', 'True', 'Unknown'];
    if (status === '') errors.push(required(`${at}.status`));
    else if (!allowed.includes(status)) errors.push(notSupported(`${at}.status`, status, allowed));
    const other = type === 'Approved' ? 'Denied' : type === 'Denied' ? 'Approved' : undefined;
    if (other !== undefined && seen.has(other)) {
      errors.push(invalid('status.conditions', type, 'Approved and Denied conditions are mutually exclusive'));
    }
    if (seen.has(type)) errors.push(duplicate(`${at}.type`, type));
    seen.add(type);
    return errors;
  });
}

/** `<domain>/<path>`: a domain of two labels at least, and a path whose segments are subdomains. */
export function validateSignerName(signerName: string, path: string): FieldError[] {
  if (signerName === 'kubernetes.io/legacy-unknown') {
    return [invalid(path, signerName, 'the legacy signerName is not allowed via this API version')];
  }
  if (signerName === '') return [required(path)];
  const [domain = '', name, ...more] = signerName.split('/');
  if (name === undefined) {
    return [
      invalid(path, signerName, "must be a fully qualified domain and path of the form 'example.com/signer-name'"),
    ];
  }
  const errors = domain
    .split('.')
    .flatMap((part) =>
      dns1123LabelErrors(part).map((text) => invalid(path, domain, `validating label "${part}": ${text}`)),
    );
  if (!domain.includes('.')) {
    errors.push(invalid(path, domain, 'should be a domain with at least two segments separated by dots'));
  }
  if (more.length > 0) {
    const detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
    return [...errors, invalid(path, signerName, detail)];
  }
  for (const text of dns1123SubdomainErrors(name)) {
    errors.push(invalid(path, name, `validating label "${name}": ${text}`));
  }
  return errors;
}
