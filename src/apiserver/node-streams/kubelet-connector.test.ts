import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CertificateAuthority } from '../../pki/certificate-authority.ts';
import { connectorTo, createAuthority, listenKubelet, nodeAt, objectsOf } from './node-streams-suite.ts';

const authority = await createAuthority('kubelet-serving');
const others = await createAuthority('others');
const clients = await createAuthority('clients');
const client = await clients.issue({ commonName: 'apiserver-kubelet-client', usages: ['client'] });
const never = new AbortController().signal;

const serve = (
  ca: CertificateAuthority,
  names: { dnsNames?: string[]; ipAddresses?: string[]; cn?: string; lifetimeMs?: number },
) =>
  ca.issue({ commonName: names.cn ?? 'system:node:n1', organizations: ['system:nodes'], usages: ['server'], ...names });

interface Case {
  readonly title: string;
  readonly serving: Awaited<ReturnType<typeof serve>>;
  readonly caPem: string | undefined;
  /** `undefined`: it works. */
  readonly error?: RegExp;
}

const cases: Case[] = [
  {
    title: "the node's name as DNS SAN is its identity, whatever address was dialled",
    serving: await serve(authority, { dnsNames: ['n1'] }),
    caPem: authority.certificatePem,
  },
  {
    title: 'without its name the dialled address among the SANs is enough, as upstream',
    serving: await serve(authority, { cn: 'somebody', ipAddresses: ['127.0.0.1'] }),
    caPem: authority.certificatePem,
  },
  {
    title: "another node's certificate is refused",
    serving: await serve(authority, { cn: 'system:node:n2', dnsNames: ['n2'] }),
    caPem: authority.certificatePem,
    error: /^error dialing backend: kubelet of node "n1": 127\.0\.0\.1:\d+: tls: the certificate is that of node "n2"/,
  },
  {
    title: "another node's certificate is refused also where it has the dialled address",
    serving: await serve(authority, { cn: 'system:node:n2', dnsNames: ['n2'], ipAddresses: ['127.0.0.1'] }),
    caPem: authority.certificatePem,
    error: /the certificate is that of node "n2"/,
  },
  {
    title: 'a wildcard is no identity',
    serving: await serve(authority, { cn: 'somebody', dnsNames: ['*'] }),
    caPem: authority.certificatePem,
    error: /the certificate is for DNS:\*, not for node "n1" or 127\.0\.0\.1/,
  },
  {
    title: 'a certificate of another authority is refused and says how to get the right one',
    serving: await serve(others, { dnsNames: ['n1'] }),
    caPem: authority.certificatePem,
    error: /signed by an authority that is not in --kubelet-certificate-authority: .*serverTLSBootstrap: true/,
  },
  {
    title: 'a self-signed certificate is refused and says how to get a signed one',
    serving: { certificatePem: others.certificatePem, privateKeyPem: '' },
    caPem: authority.certificatePem,
    error: /self-signed certificate .*serverTLSBootstrap: true, and its CertificateSigningRequest/,
  },
  {
    title: 'an expired certificate is refused',
    serving: await serve(authority, { dnsNames: ['n1'], lifetimeMs: 1 }),
    caPem: authority.certificatePem,
    error: /serving certificate has expired/,
  },
  {
    title: 'without an authority anything is believed, as upstream',
    serving: await serve(others, { cn: 'system:node:n2', dnsNames: ['n2'] }),
    caPem: undefined,
  },
];

for (const { title, serving, caPem, error } of cases) {
  test(title, async () => {
    await using kubelet = await listenKubelet(await selfSignedWhereAsked(serving), {
      clientCaPem: clients.certificatePem,
      request: (_request, response) => void response.end('pong'),
    });
    const connector = connectorTo(objectsOf([nodeAt(kubelet.port)]), { caPem, client });
    const asked = connector.request('n1', { method: 'GET', path: '/healthz', signal: never });
    if (error) {
      await assert.rejects(asked, { name: 'ApiError', code: 500, message: error });
      assert.deepEqual(kubelet.requests, [], 'nothing is sent to a peer that is not believed');
    } else {
      const answer = await asked;
      answer.resume();
      assert.equal(answer.statusCode, 200);
      assert.deepEqual(kubelet.requests[0]?.user, 'apiserver-kubelet-client');
    }
  });
}

test('a failed dial names the node and the cause', async () => {
  const dial = () => Promise.reject(new Error('dial tcp 10.0.0.9:10250: connection refused'));
  const connector = connectorTo(objectsOf([nodeAt(10250)]), { caPem: authority.certificatePem, dial });
  await assert.rejects(connector.connect('n1', { signal: never }), {
    message: 'error dialing backend: kubelet of node "n1": dial tcp 10.0.0.9:10250: connection refused',
  });
});

test('a kubelet that breaks off is named', async () => {
  const serving = await serve(authority, { dnsNames: ['n1'] });
  await using kubelet = await listenKubelet(serving, { request: (request) => void request.socket.destroy() });
  const connector = connectorTo(objectsOf([nodeAt(kubelet.port)]), { caPem: authority.certificatePem });
  await assert.rejects(connector.request('n1', { method: 'GET', path: '/', signal: never }), {
    message: `error dialing backend: kubelet of node "n1": 127.0.0.1:${kubelet.port}: socket hang up`,
  });
});

test('a node without an address or that does not exist is named', async () => {
  const objects = objectsOf([['nodes', { metadata: { name: 'bare' } }]]);
  const connector = connectorTo(objects, { caPem: undefined });
  await assert.rejects(connector.connect('bare', { signal: never }), {
    message: /node "bare": no preferred addresses found/,
  });
  await assert.rejects(connector.connect('gone', { signal: never }), {
    message: /node "gone": the node does not exist/,
  });
});

/** An authority's own certificate is self-signed; its key stays inside it, so that a fresh one is made. */
async function selfSignedWhereAsked(serving: Case['serving']): Promise<Case['serving']> {
  if (serving.privateKeyPem !== '') return serving;
  const { generateKeyPair, formatPrivateKey } = await import('../../pki/key.ts');
  const { createAuthorityCertificate } = await import('../../pki/certificate-authority.ts');
  const keys = generateKeyPair();
  const certificatePem = await createAuthorityCertificate('n1@1700000000', keys, Date.now());
  return { certificatePem, privateKeyPem: formatPrivateKey(keys.privateKey) };
}
