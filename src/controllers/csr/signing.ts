import type { CertificateSigningRequest } from '../../api/kubernetes/certificates-v1.ts';
import { certificateSigningRequests } from '../../client/resources.ts';
import { formatTime } from '../../lib/clock.ts';
import type { CertificateAuthority } from '../../pki/certificate-authority.ts';
import { CertificateRequestError, type ParsedRequest, parseCertificateRequest } from '../../pki/certificate-request.ts';
import type { StartController } from '../controller.ts';
import { ReconcileLoop } from '../reconcile-loop.ts';
import { hasCondition, requestPem } from './csr-state.ts';
import {
  clientKubeletProblem,
  clientKubeletSigner,
  clientProblem,
  clientSigner,
  servingKubeletProblem,
  servingSigner,
} from './kubelet-request.ts';

interface Signer {
  readonly authority: CertificateAuthority;
  readonly problem: (request: ParsedRequest, usages: readonly string[]) => string | undefined;
}

/** Issues what has been approved. Client certificates come from the cluster's CA, serving certificates from a CA that signs nothing else. */
export function csrSigner(authorities: {
  cluster: CertificateAuthority;
  kubeletServing: CertificateAuthority;
}): StartController {
  const signers = new Map<string, Signer>([
    [clientKubeletSigner, { authority: authorities.cluster, problem: clientKubeletProblem }],
    [clientSigner, { authority: authorities.cluster, problem: clientProblem }],
    [servingSigner, { authority: authorities.kubeletServing, problem: servingKubeletProblem }],
  ]);
  return (context) => {
    const { client, informers, clock, log } = context;
    const requests = informers.get<CertificateSigningRequest>(certificateSigningRequests);
    const loop = new ReconcileLoop({
      ...context,
      after: [requests],
      concurrency: 2,
      reconcile: async (name, signal) => {
        const csr = requests.get(name);
        const signer = signers.get(csr?.spec.signerName ?? '');
        if (
          !csr ||
          !signer ||
          !hasCondition(csr, 'Approved') ||
          hasCondition(csr, 'Failed') ||
          csr.status?.certificate
        ) {
          return undefined;
        }
        const signed = await sign(csr, signer);
        const now = formatTime(clock.now());
        const status =
          'certificatePem' in signed
            ? { ...csr.status, certificate: Buffer.from(signed.certificatePem).toString('base64') }
            : {
                ...csr.status,
                conditions: [
                  ...(csr.status?.conditions ?? []),
                  {
                    type: 'Failed',
                    status: 'True',
                    reason: 'SignerValidationFailure',
                    message: signed.problem,
                    lastUpdateTime: now,
                    lastTransitionTime: now,
                  },
                ],
              };
        await client.update<CertificateSigningRequest>(
          certificateSigningRequests,
          { ...csr, status },
          { subresource: 'status', signal },
        );
        log.info('problem' in signed ? 'Certificate request failed' : 'Certificate issued', {
          csr: name,
          signerName: csr.spec.signerName,
        });
        return undefined;
      },
    });
    requests.subscribe(({ type, object }) => {
      if (type !== 'deleted') loop.add(object.metadata?.name ?? '');
    });
    return loop;
  };
}

/** The checks of approval again: whoever approved may have looked at less. */
export async function sign(
  csr: CertificateSigningRequest,
  { authority, problem }: Signer,
): Promise<{ certificatePem: string } | { problem: string }> {
  const { usages = [], expirationSeconds } = csr.spec;
  try {
    const request = await parseCertificateRequest(requestPem(csr));
    const why = problem(request, usages);
    if (why !== undefined) return { problem: why };
    const options = { usages, ...(expirationSeconds !== undefined && { expirationSeconds }) };
    return { certificatePem: await authority.signRequest(request, options) };
  } catch (error) {
    if (error instanceof CertificateRequestError) return { problem: error.message };
    throw error;
  }
}
