import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PolicyRule } from '../../api/kubernetes/rbac-v1.ts';
import { createAuthorizer } from '../../auth/authorization/create-authorizer.ts';
import { rbacResources } from '../../auth/authorization/rbac-index.ts';
import { MemoryObjects } from '../../auth/memory-objects.ts';
import { createCertificateRequest } from '../../pki/certificate-request.ts';
import { refusalOf, type TestRequest } from './admission-attributes-suite.ts';
import { CertificateApproval } from './certificate-approval.ts';
import { CertificateSigning } from './certificate-signing.ts';
import { certificateSubjectRestriction } from './certificate-subject-restriction.ts';
import { ClusterTrustBundleAttest } from './cluster-trust-bundle-attest.ts';

const resource = 'certificatesigningrequests.certificates.k8s.io';
const signerName = 'example.com/clients';

function annMay(verb: string, ...resourceNames: string[]) {
  const objects = new MemoryObjects();
  const rules: PolicyRule[] = [
    { verbs: [verb], apiGroups: ['certificates.k8s.io'], resources: ['signers'], resourceNames },
  ];
  objects.set(rbacResources.clusterRoles, { metadata: { name: 'r' }, rules } as object);
  objects.set(rbacResources.clusterRoleBindings, {
    metadata: { name: 'b' },
    roleRef: { kind: 'ClusterRole', name: 'r' },
    subjects: [{ kind: 'User', name: 'ann' }],
  } as object);
  return createAuthorizer({ modes: ['RBAC'], objects });
}

function update(subresource: string, status: object): TestRequest {
  const spec = { signerName };
  return {
    operation: 'UPDATE',
    resource: `${resource}/${subresource}`,
    name: 'c',
    object: { spec, status },
    oldObject: { spec, status: {} },
  };
}

const approved = { conditions: [{ type: 'Approved', status: 'True' }] };

test('approving needs the verb approve on the signer, by name or by its domain', async () => {
  for (const name of [signerName, 'example.com/*']) {
    const plugin = new CertificateApproval({ authorizer: annMay('approve', name) });
    assert.equal(await refusalOf(plugin, update('approval', approved)), undefined);
  }
  for (const authorizer of [annMay('sign', signerName), annMay('approve', 'other.com/*', 'example.com/other')]) {
    assert.equal(
      await refusalOf(new CertificateApproval({ authorizer }), update('approval', approved)),
      `${resource} "c" is forbidden: user not permitted to approve requests with signerName "example.com/clients"`,
    );
  }
});

test('signing, or failing, needs the verb sign; other changes of status do not', async () => {
  const signer = new CertificateSigning({ authorizer: annMay('sign', signerName) });
  const other = new CertificateSigning({ authorizer: annMay('approve', signerName) });
  const refused = `${resource} "c" is forbidden: user not permitted to sign requests with signerName "example.com/clients"`;
  for (const status of [{ certificate: 'abc' }, { conditions: [{ type: 'Failed', status: 'True' }] }]) {
    assert.equal(await refusalOf(signer, update('status', status)), undefined);
    assert.equal(await refusalOf(other, update('status', status)), refused);
  }
  assert.equal(await refusalOf(other, update('status', { conditions: [] })), undefined);
});

test('no certificate for the API makes its owner system:masters', async () => {
  const create = async (organizations: string[], signer: string): Promise<TestRequest> => {
    const { requestPem } = await createCertificateRequest({ commonName: 'eve', organizations });
    const request = Buffer.from(requestPem).toString('base64');
    return { operation: 'CREATE', resource, name: 'c', object: { spec: { signerName: signer, request } } };
  };
  const client = 'kubernetes.io/kube-apiserver-client';
  const refusal = async (request: TestRequest) => refusalOf(certificateSubjectRestriction, request);
  assert.equal(await refusal(await create(['devs'], client)), undefined);
  assert.equal(await refusal(await create(['system:masters'], 'example.com/own')), undefined);
  assert.equal(
    await refusal(await create(['devs', 'system:masters'], client)),
    `${resource} "c" is forbidden: use of ${client} signer with system:masters group is not allowed`,
  );
  assert.equal(
    await refusal({ ...(await create([], client)), object: { spec: { signerName: client, request: '' } } }),
    `${resource} "c" is forbidden: failed to parse CSR: PEM block type must be CERTIFICATE REQUEST`,
  );
});

test('a trust bundle in the name of a signer needs the verb attest', async () => {
  const create = (spec: object): TestRequest => ({
    operation: 'CREATE',
    resource: 'clustertrustbundles.certificates.k8s.io',
    name: 'b',
    object: { spec },
  });
  const plugin = new ClusterTrustBundleAttest({ authorizer: annMay('attest', signerName) });
  assert.equal(await refusalOf(plugin, create({ signerName })), undefined);
  assert.equal(await refusalOf(plugin, create({})), undefined);
  assert.equal(
    await refusalOf(plugin, create({ signerName: 'other.com/x' })),
    'clustertrustbundles.certificates.k8s.io "b" is forbidden: user not permitted to attest for signerName "other.com/x"',
  );
});
