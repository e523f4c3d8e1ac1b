import { X509Certificate } from 'node:crypto';
import { forbiddenField } from '../../api/field-error.ts';
import type {
  CertificateSigningRequest,
  CertificateSigningRequestCondition,
} from '../../api/kubernetes/certificates-v1.ts';
import {
  type RequestFindings,
  validateCertificateSigningRequest,
  validateCertificateSigningRequestUpdate,
} from '../../api/validation/certificate-signing-request.ts';
import { sourceAddressAnnotation } from '../../auth/source-address.ts';
import { formatTime } from '../../lib/clock.ts';
import { CertificateRequestError, parseCertificateRequest } from '../../pki/certificate-request.ts';
import { typedStrategy } from './typed-strategy.ts';

/** What reading each new request has shown: reading verifies a signature, which cannot be done at once. */
const findings = new WeakMap<CertificateSigningRequest, string | undefined>();

/** Who asks is who the connection says; the spec never changes; decisions and certificates have a door each. */
export const certificateSigningRequestStrategy = typedStrategy<CertificateSigningRequest>({
  // Any name, as upstream: only a path's own signs are left out.
  nameRule: 'pathSegment',
  prepareForCreate(csr, { user, sourceAddress }) {
    const { username: _u, uid: _i, groups: _g, extra: _e, ...spec } = csr.spec;
    const hasExtra = Object.keys(user.extra).length > 0;
    csr.spec = {
      ...spec,
      username: user.username,
      ...(user.uid !== '' && { uid: user.uid }),
      ...(user.groups.length > 0 && { groups: [...user.groups] }),
      ...(hasExtra && {
        extra: Object.fromEntries(Object.entries(user.extra).map(([key, values]) => [key, [...values]])),
      }),
    };
    csr.status = {};
    const { [sourceAddressAnnotation]: _claimed, ...annotations } = csr.metadata?.annotations ?? {};
    const kept = { ...annotations, ...(sourceAddress !== undefined && { [sourceAddressAnnotation]: sourceAddress }) };
    csr.metadata ??= {};
    if (Object.keys(kept).length > 0) csr.metadata.annotations = kept;
    else delete csr.metadata.annotations;
  },
  prepareForUpdate(csr, old, { subresource, clock }) {
    csr.spec = old.spec;
    const conditions = csr.status?.conditions;
    if (subresource === '') {
      if (old.status) csr.status = old.status;
      else delete csr.status;
    } else if (conditions) {
      const certificate = subresource === 'approval' ? old.status?.certificate : csr.status?.certificate;
      const kept = subresource === 'status' ? keepDecisions(conditions, old.status?.conditions ?? []) : conditions;
      csr.status = {
        ...(certificate !== undefined && { certificate }),
        conditions: withTimes(kept, { old: old.status?.conditions ?? [], now: formatTime(clock.now()) }),
      };
    } else if (subresource === 'approval') {
      const { conditions: _removed, ...rest } = old.status ?? {};
      csr.status = rest;
    }
  },
  async reserve(csr, old) {
    if (!old) findings.set(csr, await findingOf(csr.spec?.request));
    return { commit() {}, rollback() {} };
  },
  validate: (csr) => validateCertificateSigningRequest(csr, { badRequest: findings.get(csr) }),
  validateUpdate(csr, old, { subresource }) {
    const path = `metadata.annotations[${sourceAddressAnnotation}]`;
    const before = old.metadata?.annotations?.[sourceAddressAnnotation];
    const same = csr.metadata?.annotations?.[sourceAddressAnnotation] === before;
    const found: RequestFindings = { badCertificate: certificateFinding(csr, old) };
    return [
      ...(same ? [] : [forbiddenField(path, 'is set by the server and may not change')]),
      ...validateCertificateSigningRequestUpdate(csr, old, {
        ...found,
        mayDecide: subresource === 'approval',
        maySign: subresource === 'status',
      }),
    ];
  },
});

async function findingOf(request: string | undefined): Promise<string | undefined> {
  if (!request) return 'PEM block type must be CERTIFICATE REQUEST';
  try {
    await parseCertificateRequest(Buffer.from(request, 'base64'));
    return undefined;
  } catch (error) {
    if (error instanceof CertificateRequestError) return error.message;
    throw error;
  }
}

/** A signer leaves decisions as they are, whatever it sends of them. */
function keepDecisions(
  conditions: readonly CertificateSigningRequestCondition[],
  old: readonly CertificateSigningRequestCondition[],
): CertificateSigningRequestCondition[] {
  return conditions.map((condition) => {
    if (condition.type !== 'Approved' && condition.type !== 'Denied') return condition;
    return old.find(({ type }) => type === condition.type) ?? condition;
  });
}

function withTimes(
  conditions: readonly CertificateSigningRequestCondition[],
  { old, now }: { old: readonly CertificateSigningRequestCondition[]; now: string },
): CertificateSigningRequestCondition[] {
  return conditions.map((condition) => {
    const same = old.find(({ type, status }) => type === condition.type && status === condition.status);
    const lastTransitionTime = condition.lastTransitionTime ?? same?.lastTransitionTime ?? now;
    return { ...condition, lastUpdateTime: condition.lastUpdateTime ?? now, lastTransitionTime };
  });
}

const block = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g;

/** What is wrong with a certificate that this update sets. */
function certificateFinding(now: Readonly<CertificateSigningRequest>, old: Readonly<CertificateSigningRequest>) {
  const certificate = now.status?.certificate;
  if (!certificate || certificate === old.status?.certificate) return undefined;
  const pem = Buffer.from(certificate, 'base64').toString('latin1');
  const found = [...pem.matchAll(block)];
  if (found.length === 0) return 'must contain at least one CERTIFICATE PEM block';
  for (const [text, type] of found) {
    if (type !== 'CERTIFICATE') return `only CERTIFICATE PEM blocks are allowed, found ${JSON.stringify(type)}`;
    try {
      new X509Certificate(text);
    } catch {
      return 'x509: malformed certificate';
    }
  }
  return undefined;
}
