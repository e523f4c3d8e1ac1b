import type { SubjectAccessReview } from '../../api/kubernetes/authorization-v1.ts';
import type { CertificateSigningRequest } from '../../api/kubernetes/certificates-v1.ts';
import type { Node } from '../../api/kubernetes/core-v1.ts';
import { sourceAddressAnnotation } from '../../auth/source-address.ts';
import type { ApiClient } from '../../client/client.ts';
import { certificateSigningRequests, nodes, subjectAccessReviews } from '../../client/resources.ts';
import { formatTime } from '../../lib/clock.ts';
import { canonicalAddress } from '../../pki/certificate.ts';
import { CertificateRequestError, type ParsedRequest, parseCertificateRequest } from '../../pki/certificate-request.ts';
import type { StartController } from '../controller.ts';
import { ReconcileLoop } from '../reconcile-loop.ts';
import { hasCondition, requestPem } from './csr-state.ts';
import { clientKubeletProblem, clientKubeletSigner, servingApprovalProblem, servingSigner } from './kubelet-request.ts';

/**
 * Approves kubelets' client certificates for whom RBAC allows it, and kubelets' serving certificates whose every name is proved.
 * All others stay pending for a person.
 */
export function csrApprover({ reservedAddresses }: { reservedAddresses: readonly string[] }): StartController {
  return (context) => {
    const { client, informers, clock, log } = context;
    const requests = informers.get<CertificateSigningRequest>(certificateSigningRequests);
    const nodeInformer = informers.get<Node>(nodes);
    const loop = new ReconcileLoop({
      ...context,
      after: [requests, nodeInformer],
      concurrency: 2,
      reconcile: async (name, signal) => {
        const csr = requests.get(name);
        if (!csr || hasCondition(csr, 'Approved') || hasCondition(csr, 'Denied') || csr.status?.certificate)
          return undefined;
        const { signerName } = csr.spec;
        if (signerName !== clientKubeletSigner && signerName !== servingSigner) return undefined;
        if (!csr.spec.username) return undefined; // The API server fills it in; without it nobody is known to have asked.
        const parsed = await parse(csr);
        if (!parsed) return undefined;
        const message =
          signerName === servingSigner ? judgeServing(csr, parsed) : await judgeClient(client, csr, parsed, signal);
        if (message === undefined) return undefined;
        const now = formatTime(clock.now());
        const condition = {
          type: 'Approved',
          status: 'True',
          reason: 'AutoApproved',
          message,
          lastUpdateTime: now,
          lastTransitionTime: now,
        };
        const status = { ...csr.status, conditions: [...(csr.status?.conditions ?? []), condition] };
        await client.update<CertificateSigningRequest>(
          certificateSigningRequests,
          { ...csr, status },
          { subresource: 'approval', signal },
        );
        log.info('Certificate request approved', { csr: name, subject: parsed.commonName, signerName });
        return undefined;
      },
    });

    function judgeServing(csr: CertificateSigningRequest, request: ParsedRequest): string | undefined {
      const problem = servingApprovalProblem({
        request,
        spec: csr.spec,
        reservedAddresses,
        sourceAddress: csr.metadata?.annotations?.[sourceAddressAnnotation],
        nodeExists: (name) =>
          nodeInformer.get(name) !== undefined && !nodeInformer.get(name)?.metadata?.deletionTimestamp,
        isOtherNodes: (address, name) =>
          [...nodeInformer.values()].some((node) => node.metadata?.name !== name && hasAddress(node, address)),
      });
      if (problem === undefined)
        return 'Auto approving kubelet serving certificate: requester, name and addresses are proved.';
      log.info('Serving certificate request waits for approval', { csr: csr.metadata?.name, why: problem });
      return undefined;
    }

    requests.subscribe(({ type, object }) => {
      if (type !== 'deleted') loop.add(object.metadata?.name ?? '');
    });
    // A kubelet may ask before its node object is there.
    nodeInformer.subscribe(({ type, object }) => {
      if (type !== 'added') return;
      for (const csr of requests.values()) {
        if (csr.spec.username === `system:node:${object.metadata?.name}`) loop.add(csr.metadata?.name ?? '');
      }
    });
    return loop;
  };
}

async function parse(csr: CertificateSigningRequest): Promise<ParsedRequest | undefined> {
  try {
    return await parseCertificateRequest(requestPem(csr));
  } catch (error) {
    if (error instanceof CertificateRequestError) return undefined; // Not ours to approve; the signer says why if someone does.
    throw error;
  }
}

/** Asks whether the requester may have the certificate without a person. Gives the approval's message. */
async function judgeClient(
  client: ApiClient,
  { spec }: CertificateSigningRequest,
  request: ParsedRequest,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (clientKubeletProblem(request, spec.usages ?? []) !== undefined) return undefined;
  const isSelf = spec.username === request.commonName;
  for (const subresource of isSelf ? ['selfnodeclient', 'nodeclient'] : ['nodeclient']) {
    const review: SubjectAccessReview = {
      spec: {
        ...(spec.username !== undefined && { user: spec.username }),
        ...(spec.uid !== undefined && { uid: spec.uid }),
        ...(spec.groups && { groups: spec.groups }),
        ...(spec.extra && { extra: spec.extra }),
        resourceAttributes: {
          group: 'certificates.k8s.io',
          version: '*',
          resource: 'certificatesigningrequests',
          verb: 'create',
          subresource,
        },
      },
    };
    const answer = await client.create<SubjectAccessReview>(subjectAccessReviews, review, { signal });
    if (!answer.status?.allowed) continue;
    const self = subresource === 'selfnodeclient' ? 'self ' : '';
    return `Auto approving ${self}kubelet client certificate after SubjectAccessReview.`;
  }
  return undefined;
}

function hasAddress({ status }: Node, address: string): boolean {
  return (
    status?.addresses?.some((known) => known.type !== 'Hostname' && canonicalAddress(known.address) === address) ??
    false
  );
}
