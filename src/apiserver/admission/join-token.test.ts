import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Secret } from '../../api/kubernetes/core-v1.ts';
import { createBootstrapTokenSecret, parseBootstrapTokenSecret } from '../../auth/bootstrap-tokens.ts';
import { createCertificateRequest } from '../../pki/certificate-request.ts';
import { MemoryLive, refusalOf, type TestRequest } from './admission-attributes-suite.ts';
import { JoinToken } from './join-token.ts';

const signer = 'kubernetes.io/kube-apiserver-client-kubelet';
const key = { namespace: 'kube-system', name: 'bootstrap-token-abcdef' };

function setUp(oneTime = true) {
  const live = new MemoryLive();
  const token = { id: 'abcdef', secret: '0123456789abcdef' };
  live.set('secrets', createBootstrapTokenSecret({ token, oneTime }).secret);
  return { live, plugin: new JoinToken({ live }) };
}

async function requestFor(
  node: string,
  more: Partial<TestRequest> & { signerName?: string } = {},
): Promise<TestRequest> {
  const { signerName = signer, ...rest } = more;
  const { requestPem } = await createCertificateRequest({
    commonName: `system:node:${node}`,
    organizations: ['system:nodes'],
  });
  return {
    operation: 'CREATE',
    resource: 'certificatesigningrequests.certificates.k8s.io',
    name: 'csr',
    user: { username: 'system:bootstrap:abcdef', groups: ['system:bootstrappers'] },
    object: { spec: { signerName, request: Buffer.from(requestPem).toString('base64') } },
    ...rest,
  };
}

const prefix = 'certificatesigningrequests.certificates.k8s.io "csr" is forbidden: ';
const used = (by: string) =>
  `${prefix}this join string was already used by ${by}; create a new one with "fairlead token create"`;

test('a join string binds to the first node and key, which alone may use it again', async () => {
  const { live, plugin } = setUp();
  const first = await requestFor('n1');
  assert.equal(await refusalOf(plugin, first), undefined);
  const secret = await live.get<Secret>('secrets', key);
  const bound = secret && parseBootstrapTokenSecret(secret);
  assert.equal(bound?.boundNode, 'n1');
  assert.match(bound?.boundKey ?? '', /^sha256:[0-9a-f]{64}$/);
  assert.equal(await refusalOf(plugin, first), undefined);
  assert.equal(await refusalOf(plugin, await requestFor('n2')), used('node "n1"'));
  assert.equal(await refusalOf(plugin, await requestFor('n1')), used('node "n1" with another key'));
});

test('of two nodes that come at once exactly one wins', async () => {
  const { plugin } = setUp();
  const requests = await Promise.all(['n1', 'n2', 'n3'].map((node) => requestFor(node)));
  const refusals = await Promise.all(requests.map((request) => refusalOf(plugin, request)));
  assert.equal(refusals.filter((refusal) => refusal === undefined).length, 1);
  const winner = `n${refusals.indexOf(undefined) + 1}`;
  for (const refusal of refusals) if (refusal !== undefined) assert.equal(refusal, used(`node "${winner}"`));
});

test('a join string is for a kubelet client certificate and nothing else', async () => {
  const { live, plugin } = setUp();
  assert.equal(
    await refusalOf(plugin, await requestFor('n1', { signerName: 'kubernetes.io/kubelet-serving' })),
    `${prefix}a join string can only request certificates from ${signer}, not kubernetes.io/kubelet-serving`,
  );
  assert.equal(
    await refusalOf(plugin, await requestFor('')),
    `${prefix}a join string can only request a node CSR with CN=system:node:<node name>`,
  );
  const secret = await live.get<Secret>('secrets', key);
  assert.equal(secret && parseBootstrapTokenSecret(secret)?.boundNode, undefined);
});

test('a dry run uses nothing up, and a token that is gone joins nobody', async () => {
  const { plugin } = setUp();
  assert.equal(await refusalOf(plugin, await requestFor('n1', { dryRun: true })), undefined);
  assert.equal(await refusalOf(plugin, await requestFor('n2')), undefined);
  const none = new JoinToken({ live: new MemoryLive() });
  assert.equal(
    await refusalOf(none, await requestFor('n1')),
    `${prefix}the bootstrap token system:bootstrap:abcdef no longer exists`,
  );
});

test('ordinary bootstrap tokens serve any number of nodes, and other users are not looked at', async () => {
  const { plugin } = setUp(false);
  for (const node of ['n1', 'n2']) assert.equal(await refusalOf(plugin, await requestFor(node)), undefined);
  const bound = setUp().plugin;
  await refusalOf(bound, await requestFor('n1'));
  assert.equal(await refusalOf(bound, await requestFor('n2', { user: { username: 'ann' } })), undefined);
});
