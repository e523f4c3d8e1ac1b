import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { type ConnectionOptions, connect, createServer, type TLSSocket } from 'node:tls';
import { openClusterPki } from '../../pki/authority.ts';
import { CertificateAuthority, createAuthorityCertificate } from '../../pki/certificate-authority.ts';
import { generateKeyPair } from '../../pki/key.ts';
import { createCertificate, readIssuerName } from '../../pki/x509.ts';
import type { Authentication } from '../authenticator.ts';
import { clientCertificateAuthenticator } from './client-certificate.ts';
import { peerChain } from './peer-chain.ts';

const pki = await openClusterPki();
const serving = await pki.cluster.issue({ commonName: 'kube-apiserver', dnsNames: ['localhost'], usages: ['server'] });

interface Served {
  readonly result: Authentication;
  readonly chainLength: number;
  readonly resumed: boolean;
}

/** Opens a connection for each of `clients` one after the other, with the TLS session of the one before, and tells how it was judged. */
async function serve(
  authority: CertificateAuthority,
  version: 'TLSv1.2' | 'TLSv1.3',
  clients: ConnectionOptions[],
): Promise<Served[]> {
  const pool = [authority.certificate];
  const authenticator = clientCertificateAuthenticator({ authorities: () => pool });
  const served: Served[] = [];
  const server = createServer(
    {
      cert: serving.certificatePem,
      key: serving.privateKeyPem,
      ca: [authority.certificatePem],
      requestCert: true,
      rejectUnauthorized: false,
      maxVersion: version,
    },
    (socket: TLSSocket) => {
      const result = authenticator.authenticate({ headers: {}, socket, path: '/' });
      assert.ok(!(result instanceof Promise));
      served.push({ result, chainLength: peerChain(socket).length, resumed: socket.isSessionReused() });
      socket.end('ok');
    },
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // it listens on TCP
  let session: Buffer | undefined;
  for (const client of clients) {
    const socket = connect({
      ...client,
      port,
      host: '127.0.0.1',
      servername: 'localhost',
      ca: pki.cluster.certificatePem,
      ...(session && { session }),
    });
    socket.on('session', (ticket) => {
      session = ticket;
    });
    socket.resume();
    await once(socket, 'close');
  }
  server.close();
  await once(server, 'close');
  return served;
}

const usernames = (served: Served[]) =>
  served.map(({ result }) => (result.outcome === 'authenticated' ? result.user.username : result.outcome));

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`${version}: a certificate counts on new and on resumed connections`, async () => {
    const { certificatePem, privateKeyPem } = await pki.cluster.issue({ commonName: 'alice', usages: ['client'] });
    const client = { cert: certificatePem, key: privateKeyPem };
    const served = await serve(pki.cluster, version, [client, client]);
    assert.deepEqual(usernames(served), ['alice', 'alice']);
    assert.deepEqual(
      served.map(({ resumed }) => resumed),
      [false, true],
    );
  });

  test(`${version}: a wrong certificate, or none, ends no handshake`, async () => {
    const { certificatePem, privateKeyPem } = await pki.frontProxy.issue({ commonName: 'mallory', usages: ['client'] });
    assert.deepEqual(usernames(await serve(pki.cluster, version, [{ cert: certificatePem, key: privateKeyPem }])), [
      'rejected',
    ]);
    assert.deepEqual(usernames(await serve(pki.cluster, version, [{}])), ['none']);
  });
}

test('intermediates that a client sends lead to the authority', async (t) => {
  const rootKeys = generateKeyPair();
  const root = new CertificateAuthority(await createAuthorityCertificate('root', rootKeys, Date.now()), rootKeys);
  const keys = generateKeyPair();
  const intermediatePem = await createCertificate({
    subject: { commonName: 'intermediate' },
    publicKey: keys.publicKey,
    usages: [],
    notBeforeMs: Date.now() - 60_000,
    notAfterMs: Date.now() + 3_600_000,
    isAuthority: true,
    issuer: { ...(await readIssuerName(root.certificate.raw)), keys: rootKeys },
  });
  const intermediate = new CertificateAuthority(intermediatePem, keys);
  const { certificatePem, privateKeyPem } = await intermediate.issue({ commonName: 'alice', usages: ['client'] });
  const client = { cert: certificatePem + intermediatePem, key: privateKeyPem };
  const served = await serve(root, 'TLSv1.3', [client]);
  if (served[0]?.chainLength === 1) {
    assert.deepEqual(usernames(served), ['rejected']);
    return t.skip('this Node gives servers no more than the leaf (nodejs/node#65579)');
  }
  assert.deepEqual(usernames(served), ['alice']);
});
