import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCertificateRequest, parseCertificateRequest } from '../../pki/certificate-request.ts';
import { clientKubeletProblem, clientProblem, type ServingFacts, servingApprovalProblem } from './kubelet-request.ts';

const clientUsages = ['digital signature', 'client auth'];
const servingUsages = ['digital signature', 'server auth'];

interface Asked {
  commonName?: string;
  organizations?: string[];
  dnsNames?: string[];
  ipAddresses?: string[];
  emailAddresses?: string[];
  uris?: string[];
}

async function requestFor(asked: Asked) {
  const subject = { commonName: 'system:node:n1', organizations: ['system:nodes'], ...asked };
  return parseCertificateRequest((await createCertificateRequest(subject)).requestPem);
}

test('a client request is only one that names a node and nothing else', async () => {
  assert.equal(clientKubeletProblem(await requestFor({}), clientUsages), undefined);
  assert.equal(clientKubeletProblem(await requestFor({}), [...clientUsages, 'key encipherment']), undefined);
  const wrong: [Asked, string[]][] = [
    [{ organizations: ['system:nodes', 'system:masters'] }, clientUsages],
    [{ organizations: ['system:masters'] }, clientUsages],
    [{ commonName: 'system:node:' }, clientUsages],
    [{ commonName: 'admin' }, clientUsages],
    [{ dnsNames: ['n1'] }, clientUsages],
    [{ ipAddresses: ['10.0.0.1'] }, clientUsages],
    [{}, [...clientUsages, 'server auth']],
    [{}, ['client auth']],
  ];
  for (const [asked, usages] of wrong)
    assert.notEqual(clientKubeletProblem(await requestFor(asked), usages), undefined);
});

test('no client certificate of system:masters is signed', async () => {
  const request = await requestFor({ commonName: 'me', organizations: ['system:masters'] });
  assert.match(clientProblem(request, ['client auth']) ?? '', /system:masters/);
});

const honest = { username: 'system:node:n1', groups: ['system:nodes', 'system:authenticated'], usages: servingUsages };

async function judge(asked: Asked, changed: Partial<Omit<ServingFacts, 'spec'>> & { spec?: object } = {}) {
  const { spec, ...facts } = changed;
  return servingApprovalProblem({
    request: await requestFor(asked),
    sourceAddress: '10.0.0.1',
    reservedAddresses: ['10.0.0.100', '10.96.0.1'],
    nodeExists: (name) => name === 'n1' || name === 'kubernetes',
    isOtherNodes: (address) => address === '10.0.0.2',
    ...facts,
    spec: { request: '', signerName: 'kubernetes.io/kubelet-serving', ...honest, ...spec },
  });
}

test('a serving request of the node for its own name and source address needs no person', async () => {
  assert.equal(await judge({ dnsNames: ['n1'] }), undefined);
  assert.equal(await judge({ dnsNames: ['n1'], ipAddresses: ['10.0.0.1'] }), undefined);
  assert.equal(
    await judge({ dnsNames: ['n1'], ipAddresses: ['127.0.0.1'] }, { sourceAddress: '127.0.0.1' }),
    undefined,
  );
});

test('a serving request that could impersonate anything else waits for a person', async () => {
  const attacks: [string, Promise<string | undefined>][] = [
    ['of an administrator', judge({ dnsNames: ['n1'] }, { spec: { username: 'admin' } })],
    ['of another node', judge({ dnsNames: ['n1'] }, { spec: { username: 'system:node:n2' } })],
    [
      'of a bootstrap token',
      judge({ dnsNames: ['n1'] }, { spec: { username: 'system:bootstrap:abcdef', groups: ['system:bootstrappers'] } }),
    ],
    ['of who is no node', judge({ dnsNames: ['n1'] }, { spec: { groups: [] } })],
    ['for another name', judge({ dnsNames: ['n1', 'n2'] })],
    ['for the API server', judge({ dnsNames: ['kubernetes.default.svc'] })],
    ['for a wildcard', judge({ dnsNames: ['*.example'] })],
    [
      'by a node with a reserved name',
      judge(
        { commonName: 'system:node:kubernetes', dnsNames: ['kubernetes'] },
        { spec: { username: 'system:node:kubernetes' } },
      ),
    ],
    ['for an address it does not come from', judge({ dnsNames: ['n1'], ipAddresses: ['10.0.0.9'] })],
    [
      'for an address nobody has seen',
      judge({ dnsNames: ['n1'], ipAddresses: ['10.0.0.1'] }, { sourceAddress: undefined }),
    ],
    ['for loopback', judge({ dnsNames: ['n1'], ipAddresses: ['127.0.0.1'] })],
    [
      'for the API server address',
      judge({ dnsNames: ['n1'], ipAddresses: ['10.0.0.100'] }, { sourceAddress: '10.0.0.100' }),
    ],
    ['for the virtual IP', judge({ ipAddresses: ['10.96.0.1'] }, { sourceAddress: '10.96.0.1' })],
    ["for another node's address", judge({ ipAddresses: ['10.0.0.2'] }, { sourceAddress: '10.0.0.2' })],
    ['for a URI', judge({ dnsNames: ['n1'], uris: ['spiffe://n1'] })],
    ['for nothing', judge({})],
    ['with client auth', judge({ dnsNames: ['n1'] }, { spec: { usages: [...servingUsages, 'client auth'] } })],
    ['in another organization', judge({ organizations: ['system:nodes', 'x'], dnsNames: ['n1'] })],
    ['of a node that does not exist', judge({ dnsNames: ['n1'] }, { nodeExists: () => false })],
  ];
  for (const [attack, verdict] of attacks) assert.notEqual(await verdict, undefined, `approved a request ${attack}`);
});
