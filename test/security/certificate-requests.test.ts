import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { CertificateSigningRequest } from '../../src/api/kubernetes/certificates-v1.ts';
import { certificateSigningRequests } from '../../src/client/resources.ts';
import type { IssuedCertificate } from '../../src/pki/certificate-authority.ts';
import { createCertificateRequest } from '../../src/pki/certificate-request.ts';
import { type Answer, openBed, type SecurityBed } from './test-bed.ts';

const path = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
const servingUsages = ['digital signature', 'server auth'];
const clientUsages = ['digital signature', 'client auth'];

interface Wish {
  readonly commonName?: string;
  readonly organizations?: readonly string[];
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  readonly emailAddresses?: readonly string[];
  readonly uris?: readonly string[];
  readonly usages?: readonly string[];
  readonly signerName?: string;
}

describe('certificate requests of a node that lies', () => {
  let bed: SecurityBed;
  let rogue: IssuedCertificate;
  before(async () => {
    bed = await openBed();
    await bed.cluster.addNode({ name: 'rogue', runtime: 'simulated' });
    await bed.cluster.addNode({ name: 'honest', runtime: 'simulated' });
    rogue = await bed.issueNode('rogue');
  });
  after(() => bed[Symbol.asyncDispose]());

  const request = async (wish: Wish, certificate = rogue): Promise<Answer> => {
    const { signerName = 'kubernetes.io/kubelet-serving', usages = servingUsages, ...names } = wish;
    const { requestPem } = await createCertificateRequest({
      commonName: 'system:node:rogue',
      organizations: ['system:nodes'],
      ...names,
    });
    const spec = { request: Buffer.from(requestPem).toString('base64'), signerName, usages };
    return bed.call(path, { certificate, method: 'POST', body: { metadata: { generateName: 'csr-' }, spec } });
  };
  /** Asks again, honestly: once that one is approved, the controller has seen the earlier ones too. */
  const settle = async (): Promise<void> => {
    const created = await request({ dnsNames: ['rogue'] });
    assert.equal(created.status, 201, created.message);
    const { name = '' } = (JSON.parse(created.body) as CertificateSigningRequest).metadata ?? {};
    const options = { fieldSelector: `metadata.name=${name}` };
    for await (const event of bed.cluster.client.watch<CertificateSigningRequest>(
      certificateSigningRequests,
      options,
    )) {
      if (event.type !== 'ERROR' && event.object.status?.certificate) return;
    }
  };
  const assertPending = async (answers: readonly Answer[]): Promise<void> => {
    await settle();
    for (const { body } of answers) {
      const { metadata } = JSON.parse(body) as CertificateSigningRequest;
      const now = await bed.cluster.client.get<CertificateSigningRequest>(certificateSigningRequests, {
        name: metadata?.name ?? '',
      });
      assert.deepEqual(now.status?.conditions ?? [], [], JSON.stringify(now.spec));
      assert.equal(now.status?.certificate, undefined);
    }
  };

  test('serving certificates for names and addresses that are not its own wait for a person', async () => {
    const { hostname } = new URL(bed.cluster.server);
    const wishes: Wish[] = [
      { dnsNames: ['honest'] },
      { dnsNames: ['rogue', 'honest'] },
      { dnsNames: ['rogue'], ipAddresses: [hostname] },
      { ipAddresses: [hostname] },
      { dnsNames: ['rogue'], ipAddresses: ['10.96.0.1'] },
      { dnsNames: ['rogue'], ipAddresses: ['::ffff:127.0.0.1'] },
      { dnsNames: ['rogue'], ipAddresses: ['192.0.2.7'] },
      { dnsNames: ['rogue'], ipAddresses: ['0.0.0.0'] },
      { dnsNames: ['rogue'], ipAddresses: ['169.254.169.254'] },
      { dnsNames: ['kubernetes'] },
      { dnsNames: ['kubernetes.default.svc'] },
      { dnsNames: ['kubernetes.default.svc.cluster.local', 'rogue'] },
      { dnsNames: ['localhost'] },
      { dnsNames: ['*'] },
      { dnsNames: ['*.example.com', 'rogue'] },
      { dnsNames: ['rogue.'] },
      { dnsNames: ['rogue.example.com'] },
      { dnsNames: ['rogue'], emailAddresses: ['a@example.com'] },
      { dnsNames: ['rogue'], uris: ['https://honest'] },
      { dnsNames: [] },
      { dnsNames: ['rogue'], usages: [...servingUsages, 'client auth'] },
      { dnsNames: ['rogue'], usages: ['server auth'] },
      { dnsNames: ['rogue'], usages: clientUsages },
      { dnsNames: ['rogue'], usages: [...servingUsages, 'cert sign'] },
      { dnsNames: ['rogue'], organizations: ['system:nodes', 'system:masters'] },
      { dnsNames: ['rogue'], organizations: [] },
    ];
    const answers = [];
    for (const wish of wishes) {
      const answer = await request(wish);
      if (answer.status === 201) answers.push(answer);
      else assert.ok([403, 422].includes(answer.status), `${JSON.stringify(wish)}: ${answer.status} ${answer.message}`);
    }
    assert.ok(answers.length > 10);
    await assertPending(answers);
  });

  test("a node asks for no certificate in another's name", async () => {
    for (const wish of [
      { commonName: 'system:node:honest', dnsNames: ['honest'] },
      {
        commonName: 'system:node:honest',
        signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
        usages: clientUsages,
      },
      {
        commonName: 'system:node:new',
        signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
        usages: clientUsages,
      },
    ]) {
      const answer = await request(wish);
      assert.equal(answer.status, 403, `${JSON.stringify(wish)}: ${answer.status} ${answer.message}`);
    }
    const masters = await request({
      commonName: 'root',
      organizations: ['system:masters'],
      signerName: 'kubernetes.io/kube-apiserver-client',
      usages: clientUsages,
    });
    assert.equal(masters.status, 403, masters.message);
  });

  test("who is no node, or another one, gets no node's serving certificate approved", async () => {
    const user = await bed.issue('mallory');
    assert.equal((await request({ dnsNames: ['rogue'] }, user)).status, 403, 'users may not ask at all');
    const asAdmin = await request({ dnsNames: ['rogue'] }, bed.admin);
    assert.equal(asAdmin.status, 201);
    const ghost = await bed.issueNode('ghost');
    const unknown = await request({ commonName: 'system:node:ghost', dnsNames: ['ghost'] }, ghost);
    assert.equal(unknown.status, 201, unknown.message);
    await assertPending([asAdmin, unknown]);
  });

  test('a node neither approves nor signs, and cannot say who or where it is', async () => {
    const created = await request({ dnsNames: ['honest'] });
    const csr = JSON.parse(created.body) as CertificateSigningRequest;
    const name = csr.metadata?.name ?? '';
    const approved = { type: 'Approved', status: 'True', reason: 'x', message: 'x' };
    const approve = { ...csr, status: { conditions: [approved] } };
    for (const subresource of ['approval', 'status']) {
      const answer = await bed.call(`${path}/${name}/${subresource}`, {
        certificate: rogue,
        method: 'PUT',
        body: approve,
      });
      assert.equal(answer.status, 403, `${subresource}: ${answer.message}`);
    }
    const { requestPem } = await createCertificateRequest({
      commonName: 'system:node:rogue',
      organizations: ['system:nodes'],
      dnsNames: ['rogue'],
      ipAddresses: ['192.0.2.9'],
    });
    const forged = await bed.call(path, {
      certificate: rogue,
      method: 'POST',
      body: {
        metadata: { generateName: 'csr-', annotations: { 'fairlead.dev/source-address': '192.0.2.9' } },
        spec: {
          request: Buffer.from(requestPem).toString('base64'),
          signerName: 'kubernetes.io/kubelet-serving',
          usages: servingUsages,
          username: 'system:node:honest',
          groups: ['system:masters'],
        },
        status: { conditions: [approved] },
      },
      headers: { 'x-forwarded-for': '192.0.2.9', 'x-real-ip': '192.0.2.9' },
    });
    assert.equal(forged.status, 201, forged.message);
    const { metadata, spec, status } = JSON.parse(forged.body) as CertificateSigningRequest;
    assert.equal(spec.username, 'system:node:rogue');
    assert.deepEqual(spec.groups, ['system:nodes', 'system:authenticated']);
    assert.notEqual(metadata?.annotations?.['fairlead.dev/source-address'], '192.0.2.9');
    assert.deepEqual(status ?? {}, {});
    await assertPending([forged]);
  });
});
